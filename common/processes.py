"""Several processes that train together, as torchrun starts them."""

from __future__ import annotations

import os

import torch

from common.errors import Problem


def processes() -> tuple[int, int]:
    """(this process's rank, how many there are). Under torchrun the first call makes them meet.

    Raises Problem where RANK and WORLD_SIZE are not what torchrun sets, or the processes cannot meet.
    """
    world, rank = whole_number("WORLD_SIZE", 1), whole_number("RANK", 0)
    if not 0 <= rank < world:
        raise Problem(
            f"RANK is {rank} and WORLD_SIZE {world}, but ranks are 0 … WORLD_SIZE − 1: start with torchrun, or unset "
            "both"
        )
    if world > 1 and not torch.distributed.is_initialized():
        try:
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        except (ValueError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise Problem(f"{world} processes cannot meet ({why}): start with torchrun, or unset WORLD_SIZE") from error
    return (torch.distributed.get_rank(), world) if world > 1 else (0, 1)


def whole_number(name: str, otherwise: int) -> int:
    """A whole number of the environment. Raises Problem for anything else."""
    text = os.environ.get(name)
    if text is None:
        return otherwise
    try:
        return int(text)
    except ValueError as error:
        raise Problem(f"{name} is {text!r}, no whole number: start with torchrun, or unset {name}") from error
