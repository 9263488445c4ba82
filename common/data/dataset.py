"""A data set: a part to learn from, a part to be judged on, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.data.order import shuffled, stratified
from common.data.parts import Images, Table


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train and test parts under one name.

    classes: the name of each label, in order; empty for a regression. target: what the answers say, with the unit.
    source: where the bytes came from, and the licence.
    """

    name: str
    train: Images | Table
    test: Images | Table
    classes: tuple[str, ...]
    target: str
    source: str

    def split(self, fraction: float = 0.2, seed: int = 0) -> tuple[Images | Table, Images | Table]:
        """Carve a validation part from train: (what remains to train on, validation). The test part is not touched.

        fraction: of train, in (0, 1), that goes to validation; stratified where answers are classes. The same seed
        gives the same parts, and both keep train's order. Raises ValueError where a part would be empty.
        """
        size = round(fraction * len(self.train))
        if not 0 < size < len(self.train):
            raise ValueError(f"fraction {fraction} of {len(self.train)} items leaves a part empty")
        order = part_order(self.train, bool(self.classes), seed)
        return self.train.take(np.sort(order[size:])), self.train.take(np.sort(order[:size]))


def part_order(part: Images | Table, classes: bool, seed: int) -> np.ndarray:
    """The order in which items are drawn by seed: stratified where the answers are classes, plain where quantities."""
    return stratified(part.answers, seed) if classes else shuffled(len(part), seed)


def drawn(
    name: str, whole: Images | Table, *, classes: tuple[str, ...], target: str, source: str, seed: int
) -> Dataset:
    """A data set that comes without a test part: a quarter is drawn for it by seed, and train is shuffled."""
    order = part_order(whole, bool(classes), seed)
    size = round(0.25 * len(whole))
    return Dataset(name, whole.take(order[size:]), whole.take(order[:size]), classes, target, source)
