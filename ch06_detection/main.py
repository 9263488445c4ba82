"""Chapter 6, detection: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch06_detection",
    title="Detection",
    lessons=(
        "boxes",  # how two boxes are compared, encoded, and thinned out
        "evaluate",  # is a detector any good? precision, recall, and what is made of them
        "scenes",  # the pictures of this chapter, and that nothing gives the pasted items away
        "sliding_window",  # the classical detector: HOG, a linear SVM, a pyramid, hard negatives
        "hog_choices",  # what each of its choices buys
        "selective_search",  # where to look: segments that grow together
        "rcnn",  # a network looks at every proposal
        "roi_pooling",  # one feature map for all of them
        "fast_rcnn",  # and both tasks learned at once
        "default_boxes",  # no proposals: boxes that are there from the start
        "ssd300",  # the single-shot detector at its full size, against torchvision's
        "multibox",  # matching, the loss, and hard negatives at three to one
        "ssd",  # a small one, trained here; its answer picture by picture
        "comparison",  # four detectors on the same scenes
        "pedestrians",  # and on real people
        "ssd_choices",  # what each of SSD's choices buys
    ),
    seeds=1,  # it trains for a quarter of an hour
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
