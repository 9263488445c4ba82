"""Chapter 3, classification: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch03_classification",
    title="Classification",
    lessons=(
        "bernoulli",  # a coin, its likelihood and the log loss
        "sigmoid",  # from a line to a probability: shift and steepness
        "logistic_line",  # one input: the surface of the loss, and two ways down
        "logistic",  # many inputs: gradient, Hessian, Newton; the boundary
        "separable",  # where the best weights are infinite, and what a penalty does
        "neuron",  # McCulloch and Pitts, Hebb, Rosenblatt
        "no_line",  # XOR and rings: basis functions, or hidden units
        "softmax",  # ten classes
        "rivals",  # neighbours, Bayes, discriminants, kernels and trees on the same tumours and digits
        "calibration",  # does 80 % mean 80 %?
    ),
    tour=("logistic", "rivals"),
    threads=1,
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
