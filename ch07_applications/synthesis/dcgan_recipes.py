"""Architectures of a pair of networks and their training: a small one, published ones, and one change at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

LATENT = 100
BASE, PLAIN, MOMENTUM, RELU, SMALL_KERNELS = "recipe", "without BatchNorm", "β₁ = 0.9", "ReLU in D", "3 × 3 kernels"
CHANGES = (BASE, PLAIN, MOMENTUM, RELU, SMALL_KERNELS)


@dataclass(frozen=True)
class Plan:
    """The architecture of the two networks.

    widths: channels of the generator's maps, from 4 × 4 pixels, each twice as large as the one before; the image is
    twice as large as the last. The discriminator has them in reverse. kernel: 4, or 3. normalised: with BatchNorm.
    slope: of the discriminator's rectifiers below zero.
    """

    widths: tuple[int, ...] = (128, 64, 32)
    channels: int = 1
    latent: int = LATENT
    kernel: int = 4
    normalised: bool = True
    slope: float = 0.2


SMALL = Plan()
PAPER = Plan(widths=(1024, 512, 256, 128), channels=3)  # Fig. 1: 64 × 64 pixels
FULL = Plan(widths=(512, 256, 128, 64), channels=3)  # the common reimplementation


@dataclass(frozen=True)
class Recipe:
    """The training of a pair. steps: at the lecture preset. Chosen on validation images, by the Fréchet distance."""

    plan: Plan = SMALL
    steps: int = 4000
    batch_size: int = 32
    learning_rate: float = 2e-3
    momentum: float = 0.5  # β₁


RECIPE = Recipe()


def recipe_with(change: str, steps: int) -> Recipe:
    """The recipe with one change, for `steps` steps."""
    recipe = replace(RECIPE, steps=steps)
    if change == MOMENTUM:
        return replace(recipe, momentum=0.9)
    changed = {PLAIN: {"normalised": False}, SMALL_KERNELS: {"kernel": 3}, RELU: {"slope": 0.0}}.get(change, {})
    return replace(recipe, plan=replace(recipe.plan, **changed))
