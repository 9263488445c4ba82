"""Chapter 6, detection: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch06_detection",
    title="Detection",
    lessons=(
        "boxes",  # how boxes are compared, encoded as offsets, and suppressed
        "scenes",  # the pictures of this chapter, and what gives away the pasted items
        "average_precision",  # five detections of one picture, from boxes to a number, by hand
        "sliding_window",  # the classical detector: HOG, a linear SVM, a pyramid, hard negatives
        "evaluate",  # what average precision notices of a detector's errors, and how reliable it is
        "hog_choices",  # what each design choice of the classical detector contributes
        "selective_search",  # proposals: image segments that are merged step by step
        "rcnn",  # a network classifies every proposal
        "roi_pooling",  # one feature map serves all proposals
        "fast_rcnn",  # classes and boxes learned with one loss
        "default_boxes",  # no proposals: a fixed grid of default boxes
        "multibox",  # matching, the loss, and hard negatives at three to one
        "ssd",  # a small one, trained here and traced through one picture
        "ssd300",  # the single-shot detector at full size, compared with torchvision's
        "comparison",  # four detectors on the same scenes
        "still_camera",  # neighbouring frames are similar: what is learned about people, and what about the place
        "pedestrians",  # the same detectors on real people
        "ssd_choices",  # what each of SSD's design choices contributes
        "own_photo",  # what the trained detectors find in the reader's photograph
    ),
    tour=("sliding_window", "multibox"),
    seeds=1,  # it takes a quarter of an hour
    keeper="ch06_detection.kept.detectors",
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
