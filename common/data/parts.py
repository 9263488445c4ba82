"""The two kinds of data that a lesson meets: images with labels, and tables with targets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64, Shaped, UInt8

from common.errors import Problem


@runtime_checkable
class Part(Protocol):
    """What every part of a data set offers: what a model is given, what it should say, and what tells items apart."""

    inputs: Any
    answers: Any
    ids: Int64[np.ndarray, "items"]

    def __len__(self) -> int: ...


def read_only(array: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """The same numbers seen through a view that refuses to be written: no lesson can spoil what another one reads."""
    view = array.view()
    view.flags.writeable = False
    return view


def freeze(part: Images | Table, **arrays: Shaped[np.ndarray, "..."]) -> None:
    """Set a frozen part's arrays, read-only."""
    for name, array in arrays.items():
        object.__setattr__(part, name, read_only(array))


def grouped(groups: Int64[np.ndarray, "items"] | None, n: int) -> None:
    """Raises ValueError where there are groups, but not n."""
    if groups is not None and len(groups) != n:
        raise ValueError(f"{n} items but {len(groups)} groups")


def numbered(ids: Int64[np.ndarray, "items"] | None, n: int) -> Int64[np.ndarray, "items"]:
    """ids, or 0 … n − 1 where there are none. Raises ValueError where there are not n."""
    ids = np.arange(n) if ids is None else ids
    if len(ids) != n:
        raise ValueError(f"{n} items but {len(ids)} ids")
    return ids


@dataclass(frozen=True, eq=False)
class Images:
    """Images, grey or red-green-blue, and the class of each.

    images: (N, H, W) or (N, H, W, 3), uint8. labels: (N,), int64, counted from 0. ids: (N,), each item's place in the
    part that this one was taken from, so that items can be told apart; 0 … N − 1 by default. groups: (N,), the group of
    each item among those that depend on each other (frames of one second of film); None where each stands for itself.
    All read-only. Raises ValueError where lengths differ.
    """

    images: UInt8[np.ndarray, "items height width"] | UInt8[np.ndarray, "items height width 3"]
    labels: Int64[np.ndarray, "items"]
    ids: Int64[np.ndarray, "items"] | None = None
    groups: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images but {len(self.labels)} labels")
        grouped(self.groups, len(self.labels))
        freeze(self, images=self.images, labels=self.labels, ids=numbered(self.ids, len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items height width"] | UInt8[np.ndarray, "items height width 3"]:
        """What a model is given: the images."""
        return self.images

    @property
    def answers(self) -> Int64[np.ndarray, "items"]:
        """What a model should predict: the labels."""
        return self.labels

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> Images:
        """The items at these indices (or of this mask, or this slice), in that order."""
        groups = None if self.groups is None else self.groups[indices]
        return Images(self.images[indices], self.labels[indices], self.ids[indices], groups)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of named numbers, and the answer to each row.

    features: (N, M), float64, in the units of their source. targets: (N,), float64 quantities in a regression, int64
    labels counted from 0 in a classification. names: of the M columns. unit: of the targets. ids and groups: (N,),
    as of Images. Arrays are read-only. Raises ValueError where lengths differ.
    """

    features: Float64[np.ndarray, "items columns"]
    targets: Float64[np.ndarray, "items"] | Int64[np.ndarray, "items"]
    names: tuple[str, ...]
    unit: str = ""
    ids: Int64[np.ndarray, "items"] | None = None
    groups: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        grouped(self.groups, len(self.targets))
        if self.features.shape != (len(self.targets), len(self.names)):
            raise ValueError(f"features {self.features.shape}, {len(self.targets)} targets, {len(self.names)} names")
        freeze(self, features=self.features, targets=self.targets, ids=numbered(self.ids, len(self.targets)))

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def inputs(self) -> Float64[np.ndarray, "items columns"]:
        """What a model is given: the features."""
        return self.features

    @property
    def answers(self) -> Float64[np.ndarray, "items"] | Int64[np.ndarray, "items"]:
        """What a model should predict: the targets."""
        return self.targets

    @property
    def labels(self) -> Int64[np.ndarray, "items"]:
        """The targets of a classification under the name that images use. Raises AttributeError in a regression."""
        if self.targets.dtype != np.int64:
            raise AttributeError("the targets of this table are quantities, not labels: use .targets")
        return self.targets

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> Table:
        """The rows at these indices (or of this mask, or this slice), in that order."""
        groups = None if self.groups is None else self.groups[indices]
        return Table(self.features[indices], self.targets[indices], self.names, self.unit, self.ids[indices], groups)

    def select(self, *names: str) -> Table:
        """The same rows with these columns only, in this order. Raises Problem for a name that the table lacks."""
        for name in names:
            if name not in self.names:
                raise Problem(f"no column {name!r} in the table: it has {', '.join(self.names)}")
        columns = [self.names.index(name) for name in names]
        return Table(self.features[:, columns], self.targets, tuple(names), self.unit, self.ids, self.groups)


def fingerprint(train: Images, test: Images) -> str:
    """SHA-256 of the decoded pixels and labels: equal for the same content, however it was stored or compressed."""
    digest = hashlib.sha256()
    for array in (train.images, train.labels.astype(np.uint8), test.images, test.labels.astype(np.uint8)):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
