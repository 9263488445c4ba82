"""Architectures of generators and discriminators, and their training: a small pair and the published one."""

from __future__ import annotations

from dataclasses import dataclass, replace

CYCLE, IDENTITY = 3.0, 0.5  # λ and μ. §4, §5.2: 10, and for some tasks 5
CYCLEGAN, ALONE, NEITHER = "CycleGAN", "identity loss alone", "neither loss"
POOL = 50  # old translations that a discriminator is shown. §4


@dataclass(frozen=True)
class Plan:
    """The architecture of the networks.

    widths: of the generator's maps, after its first layer and after every layer that halves their side. blocks:
    residual blocks. judges: widths of the discriminator's layers, all with stride 2 but the last. first: InstanceNorm
    also after the generator's first layer, as in the paper. side: of the images in a discriminator's pool.
    """

    widths: tuple[int, ...] = (16, 32)
    blocks: int = 3
    judges: tuple[int, ...] = (24, 48)
    channels: int = 1
    side: int = 32
    first: bool = False


SMALL = Plan()
PAPER = Plan(widths=(64, 128, 256), blocks=9, judges=(64, 128, 256, 512), channels=3, side=256, first=True)


@dataclass(frozen=True)
class Recipe:
    """The training of the four. steps: at the lecture preset. cycle, identity: weights of the losses; 0 for none."""

    plan: Plan = SMALL
    steps: int = 1600
    batch_size: int = 4
    learning_rate: float = 1e-3
    cycle: float = CYCLE
    identity: float = IDENTITY
    decay: float = 0.99


RECIPE = Recipe()
VARIANTS = {
    CYCLEGAN: RECIPE,
    ALONE: replace(RECIPE, cycle=0.0),
    NEITHER: replace(RECIPE, cycle=0.0, identity=0.0),
}
