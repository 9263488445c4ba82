"""Several processes that train together, as torchrun starts them."""

from __future__ import annotations

import os

from common.errors import Problem


def announced() -> tuple[int, int]:
    """(this process's rank, how many there are) as torchrun announces them; (0, 1) without torchrun.

    An empty variable counts as one that is not set. Raises Problem where RANK and WORLD_SIZE make no sense.
    """
    rank, world = (os.environ.get(name) or None for name in ("RANK", "WORLD_SIZE"))
    if rank in (None, "0") and world in (None, "1"):
        return 0, 1
    for name, value in (("RANK", rank), ("WORLD_SIZE", world)):
        if value is None or not value.isdecimal():
            why = "not set" if value is None else f"{value!r}, which is no number"
            raise Problem(
                f"the environment variable {name} is {why}: torchrun sets RANK and WORLD_SIZE; else unset both"
            )
    if int(rank) >= int(world):
        raise Problem(f"RANK is {rank}, but WORLD_SIZE is {world}: torchrun counts RANK from 0; else unset both")
    return int(rank), int(world)


def meet() -> tuple[int, int]:
    """announced(), and the first call makes the processes meet. Raises Problem where they can't."""
    import torch

    rank, world = announced()
    if world > 1 and not torch.distributed.is_initialized():
        try:
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        except (ValueError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise Problem(f"{world} processes cannot meet ({why}): start with torchrun, or unset WORLD_SIZE") from error
    return rank, world
