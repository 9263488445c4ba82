"""The training loop of a generator and a discriminator, the counterpart of common/train.py for one network.

Method     Goodfellow et al. 2014, Algorithm 1. For each batch:

               fakes = make(generator, batch)
               the discriminator's step, on fakes detached from the generator
               the generator's step, through a frozen discriminator

           Were fakes not detached, the first step would free the graph that the second needs; were the discriminator
           not frozen, the second would compute gradients of it in vain, which its next step would have to clear.
Average    A moving average of the generator's weights (Karras et al. 2018, A.1) averages the oscillation of the two
           players, and usually gives better samples than the last weights.
Resuming   As in common/train.py, every epoch draws all random numbers from (seed, epoch): an interrupted training
           resumes after its last whole epoch and reaches the same weights.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common import checkpoints
from common.errors import LossNotFinite
from common.processes import announced
from common.train import Batches, half_pays, minibatches, on

ADAM = partial(torch.optim.Adam, betas=(0.5, 0.999))  # Radford et al. 2015: with β₁ = 0.9 the players overshoot
Fakes = Tensor | tuple[Tensor, ...]


@dataclass
class AdversarialHistory:
    """The record of a training: the losses of every step, and the finished epochs, including pre-training."""

    generator: list[float] = field(default_factory=list)
    discriminator: list[float] = field(default_factory=list)
    epochs: int = 0
    rate: float = 0.0  # items per second


@dataclass
class AdversarialTraining:
    """The settings of a training. Called with a generator, a discriminator, data and a seed, it trains both and returns
    a history.

    make: returns the generator's outputs for a batch's parts: a tensor or a tuple of them (a fake of every stage, or of
    each of two generators with the reconstructions). Noise is a part of a batch. fool: the generator's loss of
    (discriminator, fakes, *batch). judge: the discriminator's loss of the same, with detached fakes. pretrain: the
    generator's loss of (fakes, *batch) in the first `pretraining` epochs, which have no discriminator. learning_rate,
    discriminator_rate: the latter is None if equal. schedule: a factor for both, given the finished share of steps.
    decay: of the average, which is `average` if given. half: as in common.train.Training. checkpoint: written after
    every epoch, and resumed if it exists.

    Several generators or discriminators are modules of one nn.ModuleDict. The memory of a loss, such as a pool of
    earlier fakes, belongs in a buffer of the discriminator, which checkpoints store. Under torchrun every process
    trains the same; the first one writes checkpoints.
    """

    epochs: int
    make: Callable[..., Fakes]
    fool: Callable[..., Tensor]
    judge: Callable[..., Tensor]
    pretraining: int = 0
    pretrain: Callable[..., Tensor] | None = None
    learning_rate: float = 2e-4
    discriminator_rate: float | None = None
    batch_size: int = 64
    optimiser: Callable[..., torch.optim.Optimizer] = ADAM
    schedule: Callable[[float], float] = field(default=lambda share: 1.0)
    decay: float = 0.999
    half: bool | None = None
    device: torch.device | str = "cpu"
    checkpoint: Path | None = None
    say: Callable[[str], None] = field(default=lambda text: None)
    warm_up: float = 0.0  # there is none; common/checkpoints.py reads the setting of every kind of training

    @property
    def loss(self) -> tuple:
        """All that is computed, by which checkpoints identify a training."""
        return self.make, self.fool, self.judge, self.pretrain, self.pretraining, self.decay, self.schedule

    def __call__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        data: Batches,
        seed: int = 0,
        average: nn.Module | None = None,
    ) -> AdversarialHistory:
        """Train both networks. average: a copy of the generator, which becomes its moving average.

        Raises LossNotFinite, after restoring the weights of the last whole epoch, Problem for a checkpoint of another
        training, and ValueError for pre-training without a loss.
        """
        if self.pretraining and self.pretrain is None:
            raise ValueError("pre-training needs a loss of its own: pretrain")
        named = {"generator": generator, "discriminator": discriminator}
        players = nn.ModuleDict(named if average is None else named | {"average": average})
        players.to(torch.device(self.device), memory_format=torch.channels_last)
        rates = self.learning_rate, self.discriminator_rate or self.learning_rate
        both = Optimisers(self.optimiser, (generator, discriminator), rates)
        history = AdversarialHistory()
        if self.checkpoint:
            configuration = checkpoints.configuration(self, players, data, seed, both)
            if Path(self.checkpoint).exists():
                history = AdversarialHistory(**checkpoints.resume(self.checkpoint, players, both, configuration)[0])
        with torch.random.fork_rng():  # a lesson's own random numbers do not depend on how long it trained
            while history.epochs < self.epochs + self.pretraining:
                self._epoch(players, both, data, (seed, history.epochs), history)
                self.say(f"epoch {history.epochs}/{self.epochs + self.pretraining} · {history.rate:,.0f} items/s")
                if self.checkpoint and announced()[0] == 0:
                    states = {"network": players.state_dict(), "optimiser": both.state_dict(), "best": {}}
                    checkpoints.keep(self.checkpoint, configuration, vars(history), states)
        players.eval()
        return history

    def _epoch(
        self,
        players: nn.ModuleDict,
        both: Optimisers,
        data: Batches,
        place: tuple[int, int],
        history: AdversarialHistory,
    ) -> None:
        """Run one epoch, or one of pre-training. place: the seed, and the number of finished epochs."""
        start, good, warming = time.perf_counter(), copy.deepcopy(players.state_dict()), place[1] < self.pretraining
        child = int(np.random.SeedSequence(place).generate_state(1)[0])
        random, _ = torch.Generator().manual_seed(child), torch.manual_seed(child)
        players.train()
        batches = list(minibatches(len(data), self.batch_size, random))
        for step, index in enumerate(batches):
            done = place[1] - (0 if warming else self.pretraining) + step / len(batches)
            both.scale(self.schedule(done / (self.pretraining if warming else self.epochs)))
            batch = [on(torch.device(self.device), part) for part in data.batch(index, random)]
            try:
                losses = self._pretrain(players, both, batch) if warming else self._step(players, both, batch)
            except LossNotFinite as error:
                players.load_state_dict(good)
                players.eval()
                raise LossNotFinite(error.loss, len(history.generator) + 1) from None
            history.generator.append(losses[0])
            history.discriminator += losses[1:]
            if "average" in players:
                follow(players["average"], players["generator"], self.decay)
        history.epochs += 1
        history.rate = len(data) / (time.perf_counter() - start)

    def _pretrain(self, players: nn.ModuleDict, both: Optimisers, batch: list[Any]) -> list[float]:
        """A step of the generator only."""
        with self._precision():
            loss = self.pretrain(self.make(players["generator"], *batch), *batch)
        return [both.descend(0, loss)]

    def _step(self, players: nn.ModuleDict, both: Optimisers, batch: list[Any]) -> list[float]:
        """The discriminator's step, then the generator's. Returns the losses of generator and discriminator."""
        generator, discriminator = players["generator"], players["discriminator"]
        with self._precision():
            fakes = self.make(generator, *batch)
            judged = self.judge(discriminator, detached(fakes), *batch)
        judged = both.descend(1, judged)
        with frozen(discriminator):
            with self._precision():
                fooled = self.fool(discriminator, fakes, *batch)
            fooled = both.descend(0, fooled)
        return [fooled, judged]

    def _precision(self) -> torch.autocast:
        """Autocast to 16 bits if that is faster."""
        device = torch.device(self.device)
        half = half_pays(device) if self.half is None else self.half
        return torch.autocast(device.type, torch.bfloat16, enabled=half)


class Optimisers(torch.optim.Optimizer):
    """The generator's optimiser (0) and the discriminator's (1), saved and loaded as one."""

    def __init__(self, build: Callable[..., Any], networks: tuple[nn.Module, ...], rates: tuple[float, ...]) -> None:
        learning = ([weight for weight in network.parameters() if weight.requires_grad] for network in networks)
        self.each = [build(weights, lr=rate) for weights, rate in zip(learning, rates, strict=True)]
        self.peaks = [[group["lr"] for group in one.param_groups] for one in self.each]
        super().__init__([group for one in self.each for group in one.param_groups], {})

    def scale(self, factor: float) -> None:
        """Set all rates to this share of their first value."""
        for one, peaks in zip(self.each, self.peaks, strict=True):
            for group, peak in zip(one.param_groups, peaks, strict=True):
                group["lr"] = peak * factor

    def descend(self, which: int, loss: Tensor) -> float:
        """One step of one optimiser on its loss. Returns the loss. Raises LossNotFinite before any change."""
        value = float(loss.detach())
        if not np.isfinite(value):
            raise LossNotFinite(value, 0)
        self.each[which].zero_grad()
        loss.backward()
        self.each[which].step()
        return value

    def state_dict(self) -> dict[str, Any]:
        return {str(k): one.state_dict() for k, one in enumerate(self.each)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for k, one in enumerate(self.each):
            one.load_state_dict(state[str(k)])
        self.param_groups = [group for one in self.each for group in one.param_groups]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through the network and leave none in its weights."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


def detached(fakes: Fakes) -> Fakes:
    """The same numbers, detached, so that no gradient reaches the generator."""
    return fakes.detach() if isinstance(fakes, Tensor) else tuple(fake.detach() for fake in fakes)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 − decay) · network; buffers, such as BatchNorm's running means, are copied."""
    for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(weight, 1 - decay)
    for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)
