"""Chapter 5, convolutional networks: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch05_cnn",
    title="Convolutional networks",
    lessons=(
        "characters",  # as vectors, as images: what a network gains by knowing which pixels are neighbours
        "filters",  # edges by hand, on a photo
        "convolution",  # the layer: as written, then fast, forward and backward; pooling
        "lenet1989",  # the network that read zip codes, as its paper has it
        "modernised",  # and what thirty years of tricks add to it, one at a time
        "one_minute",  # yet another digit classifier: the best error that a minute buys
        "keypoints",  # what SIFT sees: a keypoint, an orientation, a descriptor
        "hand_crafted",  # dense SIFT words, Fisher vectors and HOG, with support vector machines
        "comparison",  # hand-crafted against learned, on three sets, and with how many images the learned one overtakes
        "deconvnet",  # what layers see: from a unit back to the pixels
        "occlusion",  # and what a network misses most when it is covered
        "pretrained",  # a network that has seen ImageNet names a cat and an espresso
        "transfer",  # and lends its features to tiny pictures
        "loading",  # how fast images reach the network
    ),
    seeds=3,  # it trains for minutes
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
