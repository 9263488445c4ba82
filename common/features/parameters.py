"""How transformers refuse a parameter that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CheckedParameters:
    """A mix-in for scikit-learn estimators."""

    def _must(self, name: str, wanted: str, holds: Callable[[Any], bool]) -> None:
        """Raise ValueError unless the parameter of this name is what is wanted, as scikit-learn words it."""
        value = getattr(self, name)
        if not holds(value):
            message = f"The {name!r} parameter of {type(self).__name__} must be {wanted}. Got {value!r} instead."
            raise ValueError(message)
