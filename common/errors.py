"""The one exception that a reader is meant to see."""


class Problem(Exception):
    """Something the person at the keyboard can mend: shown as one line, never as a traceback.

    The message says what is wrong, with the name of the file, flag or lesson, and what to do about it.
    """
