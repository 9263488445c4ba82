"""Which of torchrun's processes this is."""

from __future__ import annotations

import os

from common.errors import Problem


def rank() -> int:
    """This process's number, from 0; 0 without torchrun. Raises Problem where RANK and WORLD_SIZE make no sense."""
    number, world = os.environ.get("RANK") or None, os.environ.get("WORLD_SIZE")
    if number in (None, "0") and world in (None, "1"):
        return 0
    for name, value in (("RANK", number), ("WORLD_SIZE", world)):
        if value is None or not value.isdecimal():
            said = "not set" if value is None else f"{value!r}, which is no number"
            raise Problem(
                f"the environment variable {name} is {said}: torchrun sets RANK and WORLD_SIZE; else unset both"
            )
    if int(number) >= int(world):
        raise Problem(f"RANK is {number}, but WORLD_SIZE is {world}: torchrun counts RANK from 0; else unset both")
    return int(number)
