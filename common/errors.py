"""The one exception that a reader is meant to see, and the exit status after Ctrl-C."""

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


class Problem(Exception):
    """Something the person at the keyboard can mend: shown as one line, never as a traceback.

    The message says what is wrong, with the name of the file, flag or lesson, and what to do about it.
    """


class LossNotFinite(Problem):
    """Training diverged: the loss of some step is infinite or no number at all.

    loss: that value. step: its number, from 1. Who raises it has put the model back to its last good state; the runner
    adds lesson and seed.
    """

    def __init__(self, loss: float, step: int) -> None:
        super().__init__(
            f"the loss is {loss} at step {step}: a smaller learning rate may help; the weights are those of the last "
            "finite loss"
        )
        self.loss, self.step = loss, step

    def __reduce__(self) -> tuple:
        """Pickle the exception by its loss and step, so that another process can pass it on."""
        return type(self), (self.loss, self.step)


def first_line(error: Exception) -> str:
    """An exception as one short line, with its kind where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
