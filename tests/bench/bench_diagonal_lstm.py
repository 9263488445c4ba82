"""Speed of the Diagonal BiLSTM by diagonals beside a loop over pixels, which gives the same states."""

from __future__ import annotations

from functools import partial

import torch
from side_by_side import row
from torch import Tensor

from ch07_applications.reconstruction.pixel_rnn import DiagonalBiLSTM, lstm_step

BATCH, SIDE = 8, 28


@torch.no_grad()
def pixel_by_pixel(layer: DiagonalBiLSTM, gates: Tensor) -> Tensor:
    """The states of both directions and every image, one place at a time."""
    both, n, height, width, size = gates.shape
    found = torch.zeros(both, n, height, width, size // 4)
    nothing = torch.zeros(size // 4)
    for direction in range(both):
        for image in range(n):
            cells = {}
            for y in range(height):
                for x in range(width):
                    left = found[direction, image, y, x - 1] if x else nothing
                    above = found[direction, image, y - 1, x] if y else nothing
                    past = torch.cat([left, above]) @ layer.state_to_state[direction]
                    state = lstm_step(gates[direction, image, y, x] + past, cells.get((y, x - 1), nothing))
                    found[direction, image, y, x], cells[y, x] = state
    return found


def by_diagonals(layer: DiagonalBiLSTM, gates: Tensor) -> Tensor:
    """As the lesson does it."""
    with torch.no_grad():
        return layer.cross(gates)


def measure() -> list[dict]:
    """A row for run.py: the state-to-state pass of one layer."""
    torch.manual_seed(0)
    layer, gates = DiagonalBiLSTM(32), torch.randn(2, BATCH, SIDE, SIDE, 64)
    ours, slow = partial(by_diagonals, layer, gates), partial(pixel_by_pixel, layer, gates)
    assert torch.allclose(ours(), slow(), atol=1e-5)
    name = f"Diagonal BiLSTM: {BATCH} images of {SIDE}×{SIDE}"
    return [row(name, ours, "a loop over pixels", slow, 20, runs=3)]
