"""LapSRN: a pyramid of residuals that enlarges twice and four times in one pass, with a robust loss at every level."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle

from ch07_applications.super_resolution.bicubic import enlarge_maps


class Block(nn.Module):
    def __init__(self, width, kind):
        super().__init__()
        self.kind = kind
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1) if kind != "plain" else None
        self.act = nn.LeakyReLU(0.2)
        if kind == "res":
            with torch.no_grad():
                self.b.weight.mul_(0.1)

    def forward(self, x):
        if self.kind == "plain":
            return self.act(self.a(x))
        return x + self.b(self.act(self.a(x)))


class Level(nn.Module):
    def __init__(self, inputs, width, blocks, kind="res"):
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*[Block(width, kind) for _ in range(blocks)])
        self.residual = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, x):
        x = self.blocks(self.first(x))
        return x, pixel_shuffle(self.residual(x), 2)


class LapSRN(nn.Module):
    def __init__(self, widths=(32, 16), blocks=(5, 2), up="shuffle", kind="res"):
        super().__init__()
        self.one = Level(1, widths[0], blocks[0], kind)
        self.two = Level(widths[1], widths[1], blocks[1], kind)
        self.up = nn.Conv2d(widths[0], 4 * widths[1], 3 if up == "shuffle" else 1, padding=1 if up == "shuffle" else 0)

    def forward(self, low):
        f, r = self.one(low)
        x2 = enlarge_maps(low, 2) + r
        f, r = self.two(pixel_shuffle(self.up(f), 2))
        x4 = enlarge_maps(x2, 2) + r
        return x2, x4
