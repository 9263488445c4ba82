"""Logic made of units that fire where a weighted sum reaches a threshold (McCulloch and Pitts 1943): see neuron.py.

The cells of 1943 had weights of 1, and inhibitory inputs that prevent firing. Here weights may be negative instead.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bits = Int[np.ndarray, "n"]
Pairs = Int[np.ndarray, "n 2"]

AND, OR, NAND, NOT = ((1, 1), 2), ((1, 1), 1), ((-1, -1), -1), ((-1,), 0)  # weights and threshold of each


def fires(x: Int[np.ndarray, "n inputs"], gate: tuple[tuple[int, ...], int]) -> Bits:
    """1 where wᵀx ≥ θ, else 0. gate: w and θ."""
    weights, threshold = gate
    return (x @ np.array(weights) >= threshold).astype(int)


def xor(x: Pairs) -> Bits:
    """One input but not both: (x₁ OR x₂) AND (x₁ NAND x₂), three units. One does not do, for it would need

    0 < θ, w₁ ≥ θ, w₂ ≥ θ and w₁ + w₂ < θ, while the first three give w₁ + w₂ ≥ 2θ > θ.
    """
    return fires(np.column_stack([fires(x, OR), fires(x, NAND)]), AND)


def half_adder(x: Pairs) -> Pairs:
    """x₁ + x₂ as two binary digits: the carry, then the sum. Four units; a computer's adders are made of such."""
    return np.column_stack([fires(x, AND), xor(x)])


def corners(inputs: int) -> Int[np.ndarray, "rows inputs"]:
    """Every row of a truth table: 00, 01, 10, 11."""
    return np.array(list(product((0, 1), repeat=inputs)))


def count_computable(inputs: int, largest: int) -> int:
    """How many truth tables a single unit has, with whole weights up to ± largest and any threshold."""
    weights = np.array(list(product(range(-largest, largest + 1), repeat=inputs)))
    sums = corners(inputs) @ weights.T
    tables = [sums >= threshold for threshold in range(sums.min(), sums.max() + 2)]
    return np.unique(np.concatenate(tables, axis=1), axis=1).shape[1]


def draw_gates() -> Figure:
    """The corners of the square, orange where the gate gives 1, and where its units fire."""
    from matplotlib.colors import ListedColormap

    figure, axes = plots.panels(4, width=2.4, height=2.5)
    ticks = np.linspace(-0.4, 1.4, 181)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    x = corners(2)
    for axis, (name, gates) in zip(
        axes, {"AND": [AND], "OR": [OR], "NAND": [NAND], "XOR: OR and NAND": [OR, NAND]}.items(), strict=True
    ):
        # The line stands half-way between the sum that fires and the next lower one.
        inside = np.all([plane @ weights >= threshold - 0.5 for weights, threshold in gates], axis=0)
        look = {"extent": (-0.4, 1.4, -0.4, 1.4), "origin": "lower", "vmin": 0, "vmax": 1}
        axis.imshow(inside, cmap=ListedColormap(["white", plots.PALE]), **look)
        says = np.all([fires(x, gate) for gate in gates], axis=0)
        for value, colour in ((0, plots.BLUE), (1, plots.ORANGE)):
            axis.plot(*x[says == value].T, "o", color=colour, markersize=11)
        axis.set(title=name, xticks=[0, 1], yticks=[0, 1], xlabel="$x_1$")
        axis.grid(visible=False)
    axes[0].set_ylabel("$x_2$")
    return figure
