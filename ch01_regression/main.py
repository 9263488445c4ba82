"""Chapter 1, regression: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch01_regression",
    title="Regression",
    lessons=(
        "line",  # least squares with one input
        "design_matrix",  # many inputs, three solvers
        "conditioning",  # when the solver matters
        "basis",  # a curve from a linear model
        "ridge",  # a penalty on the weights
        "rivals",  # neighbours, trees and kernels
        "network",  # a look ahead: learned basis functions
    ),
    tour=("line", "rivals"),
    threads=1,
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
