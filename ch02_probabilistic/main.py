"""Chapter 2, the probabilistic view: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch02_probabilistic",
    title="The probabilistic view",
    lessons=(
        "likelihood",  # three points and a bell curve
        "linear_likelihood",  # why squares: least squares is maximum likelihood
        "why_gaussian",  # where bell curves come from, and whether residuals follow one
        "robust",  # other noise, other losses
        "contamination",  # what a few wrong numbers do to each of them
        "prediction_intervals",  # coverage and width of 95 % intervals
        "bayes",  # a distribution over lines, and where ridge comes from
    ),
    tour=("linear_likelihood", "contamination"),
    threads=1,
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
