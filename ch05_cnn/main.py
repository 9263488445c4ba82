"""Chapter 5, convolutional networks: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch05_cnn",
    title="Convolutional networks",
    lessons=(
        "characters",  # vectors or images: the gain from knowing which pixels are neighbours
        "convolution",  # the layer: as written, then fast, forward and backward; pooling
        "filters",  # filters that find edges, by hand and by gradient descent
        "lenet1989",  # the network that read zip codes, rebuilt from its paper
        "modernised",  # thirty years of improvements, added to it one at a time
        "one_minute",  # one more digit classifier: the lowest error that a minute buys
        "keypoints",  # SIFT: a keypoint, its orientation, its descriptor
        "hand_crafted",  # dense SIFT words, Fisher vectors and HOG, with support vector machines
        "comparison",  # hand-crafted against learned features, and how many images the latter need
        "deconvnet",  # the patterns that excite units: projecting an activation to the pixels
        "occlusion",  # which part of a picture a prediction depends on
        "pretrained",  # a network trained on ImageNet classifies a cat and an espresso
        "transfer",  # its features, reused for tiny pictures
        "loading",  # how fast images reach the network
    ),
    tour=("filters", "one_minute"),
    seeds=3,  # it trains for minutes
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
