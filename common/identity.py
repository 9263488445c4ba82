"""What tells one thing from another between two runs: its kind and all that it holds, as one short word.

A checkpoint is gone on from only by the same training: with the same images and labels, loss and augmentation. None of
these has a name that would say so; what they are made of does.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def identity(*values: Any) -> str:
    """16 hexadecimal digits: equal for equal values, in another process, too, and different for others.

    Arrays and tensors: all their numbers. Functions: their code, and what is bound to them. Objects: their class and
    attributes; of dataclasses the fields alone. What a function finds in its module is not looked at.
    """
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        add(digest, value, ())
    return digest.hexdigest()


def add(digest: Any, value: Any, above: tuple[int, ...]) -> None:
    """Put a value into the digest. above: what it lies in, so that nothing that holds itself is gone through twice."""
    kind = value if isinstance(value, type) else type(value)
    digest.update(f"<{kind.__module__}.{kind.__qualname__} ".encode())
    if id(value) in above:
        return
    for part in contents(value):
        if isinstance(part, bytes | memoryview):
            digest.update(part)
        else:
            add(digest, part, (*above, id(value)))
    digest.update(b">")


@functools.singledispatch
def contents(value: Any) -> list[Any]:
    """What a value is made of, in a fixed order; bytes where it is made of nothing smaller."""
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    own = getattr(value, "__dict__", None)
    return [sorted(own.items())] if own else [str(getattr(value, "__qualname__", "")).encode()]


@contents.register
def _(value: torch.Tensor) -> list[Any]:
    value = value.detach().cpu().contiguous()
    numbers = value.reshape(-1).view(torch.uint8).numpy() if value.numel() else np.zeros(0, np.uint8)
    return [f"{value.dtype} {tuple(value.shape)}".encode(), memoryview(numbers)]


@contents.register
def _(value: np.ndarray) -> list[Any]:
    if value.dtype == object:
        return list(value)
    return [f"{value.dtype} {value.shape}".encode(), memoryview(np.ascontiguousarray(value))]


@contents.register(type(None))
@contents.register(bool)
@contents.register(int)
@contents.register(float)
@contents.register(complex)
@contents.register(str)
@contents.register(bytes)
@contents.register(np.generic)
@contents.register(torch.dtype)
@contents.register(torch.device)
def _(value: Any) -> list[Any]:
    return [repr(value).encode()]


@contents.register
def _(value: type) -> list[Any]:
    return [value.__qualname__.encode()]


@contents.register
def _(value: Mapping) -> list[Any]:
    return [part for pair in value.items() for part in pair]


@contents.register(list)
@contents.register(tuple)
def _(value: list | tuple) -> list[Any]:
    return list(value)


@contents.register(set)
@contents.register(frozenset)
def _(value: set | frozenset) -> list[Any]:
    return sorted(map(repr, value))


@contents.register
def _(value: functools.partial) -> list[Any]:
    return [value.func, value.args, sorted(value.keywords.items())]


@contents.register
def _(value: types.MethodType) -> list[Any]:
    return [value.__func__, value.__self__]


@contents.register
def _(value: types.FunctionType) -> list[Any]:
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    return [value.__module__, value.__qualname__, value.__code__, value.__defaults__, value.__kwdefaults__, cells]


@contents.register
def _(value: types.CodeType) -> list[Any]:
    return [value.co_code, list(value.co_names), list(value.co_consts)]
