"""Chapter 7, applications: the reading order, task by task.

The question of the chapter: which of the published claims hold at a size that anyone can run, and against whom?
"""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch07_applications",
    title="Applications",
    lessons=(
        "classification/alexnet",  # what deep networks needed to win: ReLU, dropout, more images
        "classification/vgg",  # nothing but 3×3 layers, and how deep a plain stack can be
        "classification/googlenet",  # several sizes of filters at once, and what they cost
        "classification/resnet",  # shortcuts: why a deeper network need not be worse
        "classification/comparison",  # the four in a minute each, beside hand-crafted features
        "segmentation/fcn",  # a class for every pixel: coarse scores, and skips that refine them
        "segmentation/segnet",  # upsampling: unpooling to stored places
        "segmentation/hypercolumns",  # a pixel described by all layers above it
        "segmentation/sds",  # a mask for every object: classified regions
        "segmentation/mask_rcnn",  # and masks predicted within boxes
        "segmentation/comparison",  # all of them on the same scenes
        "style/gatys",  # a picture with one picture's features and another's statistics of them
        "style/choices",  # pooling, layer, start, optimiser, size: what each choice changes
        "colour/colorful",  # colour as a distribution over bins, with rare colours weighted up
        "colour/let_there_be_color",  # local features fused with those of the whole picture, and its class
        "colour/deep_colorization",  # a dense network on hand-crafted features, beside ridge and trees on the same
        "colour/comparison",  # all of them on the same pictures, by every measure
        "reconstruction/pixel_rnn",  # a picture's probability, pixel by pixel
        "reconstruction/partial_convolutions",  # layers that leave hidden pixels out of every sum
        "reconstruction/bandpass",  # bands of k-space, and a network that works on one at a time
        "super_resolution/lapsrn",  # sixteen pixels for one: a pyramid of residuals
        "super_resolution/srgan",  # right on average, or right in looks
        "super_resolution/deep_image_prior",  # an untrained network as a prior for one picture
        "super_resolution/comparison",  # decibels, looks, seconds and size of all of them
        "synthesis/dcgan",  # a generator and a discriminator, and how samples differ from copies
        "synthesis/pixelcnn",  # digits drawn by class, and recognised by Bayes' rule
        "synthesis/cyclegan",  # translations learned without a pair, there and back
        "synthesis/coloured_digits",  # and where they fail: one domain has no room for the other
        "synthesis/comparison",  # nearness, variety, novelty, likelihood and time of all samplers
        "images_and_text/show_and_tell",  # a sentence about a picture, word by word: what the picture contributes
        "images_and_text/alignments",  # which region of a picture a word means, learned from sentences
        "images_and_text/attngan",  # a picture from a sentence: regions that attend to words
        "video/activity",  # a watch on the wrist: LSTMs beside designed features
        "video/conv3d",  # filters over frames: what the order of a film's frames adds
        "video/long_term",  # clips as long as an action, in coarse pixels
        "video/summarization",  # shots, their worth, and a budget: what a summary gains over a random one
        "video/pose",  # where joints are: heat maps, and parts on springs
        "whole_course",  # all chapters together: who won, at what cost, and what is left of the summary slide
    ),
    tour=("colour/deep_colorization", "synthesis/coloured_digits", "whole_course"),
    seeds=3,  # it trains for more than an hour
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
