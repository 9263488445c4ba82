"""The best pose of a whole person by dynamic programming on the tree, beside a direct search over all placements."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video.pictorial_structures import PARENTS, UPWARDS, Springs, best_places

SIDE, FIRST, SEED = 2, 4, 7  # places along a side; joints whose places the search goes through in a loop
DOWNWARDS = UPWARDS[::-1]  # parents before their children


def energies(costs: list[np.ndarray], springs: list[Springs | None]) -> list[np.ndarray]:
    """What each joint adds to E: a row per place of its parent (one at the root), a column per place of its own."""
    y, x = np.divmod(np.arange(SIDE**2), SIDE)
    own = np.stack([x, y], axis=1)
    away = own[None] - own[:, None]  # from the parent (row) to the joint (column)
    flat = [cost.reshape(1, -1) for cost in costs]
    return [
        cost if spring is None else cost + (spring.widths[0] * (away - spring.means[0]) ** 2).sum(axis=2)
        for cost, spring in zip(flat, springs, strict=True)
    ]


def search(costs: list[np.ndarray], springs: list[Springs | None]) -> np.ndarray:
    """The places (x, y) of the joints by E of all (SIDE²)¹⁴ placements, each of which is computed."""
    added, least, best = energies(costs, springs), np.inf, None
    head, tail = DOWNWARDS[:FIRST], DOWNWARDS[FIRST:]
    for places in product(range(SIDE**2), repeat=FIRST):
        known, total = dict(zip(head, places, strict=True)), np.zeros(1)
        for joint in head:
            total = total + added[joint][known.get(PARENTS[joint], 0), known[joint]]
        for k, joint in enumerate(tail):  # E of all placements of the joints so far, an axis per joint of the tail
            table = added[joint]
            if PARENTS[joint] in known:
                table = table[known[PARENTS[joint]]]
            else:
                parent = tail.index(PARENTS[joint])
                table = table.reshape(*(SIDE**2 if axis == parent else 1 for axis in range(k)), SIDE**2)
            total = total.reshape((SIDE**2,) * k)[..., None] + table
        if total.min() < least:
            least = total.min()
            best = known | dict(zip(tail, np.unravel_index(total.argmin(), total.shape), strict=True))
    return np.array([[[best[joint] % SIDE, best[joint] // SIDE] for joint in range(len(PARENTS))]])


def measure() -> list[dict]:
    """Rows for run.py."""
    rng = np.random.default_rng(SEED)
    costs = [rng.normal(size=(1, 1, SIDE, SIDE)) for _ in PARENTS]
    springs = [
        None if parent is None
        else Springs(rng.uniform(-1, 1, (1, 2)), rng.uniform(0.1, 1, (1, 2)), np.zeros((1, 1)))
        for parent in PARENTS
    ]  # fmt: skip
    with threadpool_limits(1):
        assert np.array_equal(best_places(costs, springs), search(costs, springs))
        ours, theirs = partial(best_places, costs, springs), partial(search, costs, springs)
        name = f"the best pose of a person, {len(PARENTS)} joints on {SIDE}×{SIDE} places"
        return [row(name, ours, f"all {SIDE**2}¹⁴ placements", theirs, at_least=50, runs=1)]
