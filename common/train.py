"""The training loop: shuffle, take a batch, step, repeat; and what has grown around these lines for good reasons.

Method     Mini-batch gradient descent with a one-cycle learning rate (Smith & Topin 2018). Every epoch draws its order,
           its augmentations and its dropout from a seed of its own, (seed, epoch). So a checkpoint needs no state of a
           generator: a training that was killed goes on from its last whole epoch to the same weights.
Processes  Under torchrun every process computes the gradient of its share of a batch, and DistributedDataParallel takes
           the mean. That is the step of one process with the whole batch, where the loss is a mean over the batch's
           items, or comes as a sum and what it is to be divided by (see Training). It is another step where a network
           looks at the batch as a whole (BatchNorm) or draws once a process (dropout), and where a loss divides by a
           number of its share alone.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from common import checkpoints
from common.checkpoints import load_weights
from common.errors import LossNotFinite, Problem
from common.processes import meet

__all__ = ["Batches", "History", "Training", "load_weights", "minibatches", "one_cycle", "rate_at"]


@runtime_checkable
class Batches(Protocol):
    """What can be trained on: so many items, and a batch of some of them, (inputs, *targets), each one sliceable.

    The fields of a dataclass tell it from others, for checkpoints; anything else some batches do.
    """

    def __len__(self) -> int: ...

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Any, ...]:
        """The items at index; what augments them draws from the generator."""


@dataclass
class History:
    """What a training did. losses: of every step. scores: of every validation, one an epoch. rate: images a second."""

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    epochs: int = 0  # that are done
    rate: float = 0.0


def one_cycle(share: float, warm_up: float = 0.25) -> float:
    """The learning rate as a share of its peak: up during the warm-up's share of the steps, then down to 0."""
    return share / warm_up if share < warm_up else (1 - share) / (1 - warm_up)


def rate_at(step: int, steps: int, warm_up: float = 0.25) -> float:
    """The learning rate of a step, 0 … steps − 1, as a share of its peak: of one cycle, neither end of which is 0."""
    return one_cycle((step + 1) / (steps + 1), warm_up)


def minibatches(n: int, size: int, generator: torch.Generator) -> Iterator[Int[Tensor, "batch"]]:
    """0 … n − 1 in random order, size at a time. A last batch of one joins the one before: it has no variance."""
    order = torch.randperm(n, generator=generator)
    starts = list(range(0, n, size))
    if n > size and n % size == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], n], strict=True):
        yield order[start:end]


def half_pays(device: torch.device) -> bool:
    """Whether products of 16-bit bfloat16 are faster than of 32 bits: a GPU's are, and those of some processors."""
    if device.type != "cpu":
        return device.type == "cuda"
    can = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10; older ones train in 32 bits
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


@dataclass
class Training:
    """How to train. Called with a network, data and a seed, it changes the network and returns its History.

    learning_rate: the peak of one cycle, of parameter groups without a peak of their own. optimiser: made of the
    parameters (`groups(network)`, or all that want a gradient) and `lr`. loss: of the outputs and the batch's targets,
    a mean over the batch's items; or a pair (sum, count), where the mean is over something else (objects, windows): the
    sum is divided by the count of the whole batch, or by 1 if that is less. half: multiply in bfloat16; None: where
    that pays. validate: gives a network's score, larger is better; the weights of the best epoch whose score is finite
    are kept, and after `patience` epochs without a better one training stops. checkpoint: a file that is written after
    every epoch, and gone on from if it is there. say: called with a line of progress.
    """

    epochs: int
    learning_rate: float = 0.01
    batch_size: int = 64
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
    groups: Callable[[nn.Module], list] | None = None
    loss: Callable[..., Tensor | tuple[Tensor, Tensor]] = nn.functional.cross_entropy
    warm_up: float = 0.25
    half: bool | None = None
    device: torch.device | str = "cpu"
    validate: Callable[[nn.Module], float] | None = None
    patience: int | None = None
    checkpoint: Path | None = None
    say: Callable[[str], None] = field(default=lambda text: None)

    def __call__(self, network: nn.Module, data: Batches, seed: int = 0) -> History:
        """Raises LossNotFinite, the weights being those after the last whole epoch, and Problem for a checkpoint of
        another training, for batches of one image with BatchNorm, or where no validation's score is finite."""
        if min(self.batch_size, len(data)) < 2 and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
            raise Problem("BatchNorm cannot learn from batches of one image, which have no variance: take two or more")
        device = torch.device(self.device)
        network.to(device, memory_format=torch.channels_last)  # the order in which convolutions run fastest
        rank, world = meet()
        model = nn.parallel.DistributedDataParallel(network) if world > 1 else network
        trained = self.groups(network) if self.groups else [p for p in network.parameters() if p.requires_grad]
        optimiser = self.optimiser(trained, lr=self.learning_rate)
        peaks = [group["lr"] for group in optimiser.param_groups]
        steps = self.epochs * sum(1 for _ in minibatches(len(data), self.batch_size, torch.Generator()))

        history, best = History(), copy.deepcopy(network.state_dict())
        if self.checkpoint:
            configuration = checkpoints.configuration(self, network, data, seed, optimiser)
            if Path(self.checkpoint).exists():
                kept, best = checkpoints.resume(self.checkpoint, network, optimiser, configuration)
                history = History(**kept)
        with torch.random.fork_rng():  # a lesson's own random numbers do not depend on how long it trained
            while history.epochs < self.epochs and not self._out_of_patience(history):
                start, good = time.perf_counter(), copy.deepcopy(network.state_dict())
                child = int(np.random.SeedSequence([seed, history.epochs]).generate_state(1)[0])
                generator, _ = torch.Generator().manual_seed(child), torch.manual_seed(child)
                model.train()
                for index in minibatches(len(data), self.batch_size, generator):
                    loss = self._loss(model, data, index, generator, (rank, world))
                    optimiser.zero_grad()
                    loss.backward()
                    history.losses.append(mean_over_processes(loss.detach(), world))
                    if not np.isfinite(history.losses[-1]):
                        network.load_state_dict(good)
                        network.eval()
                        raise LossNotFinite(history.losses[-1], len(history.losses))
                    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                        group["lr"] = peak * rate_at(len(history.losses) - 1, steps, self.warm_up)
                    optimiser.step()
                if world > 1:  # BatchNorm's running means, of each process its own, become those of the first
                    for buffer in network.buffers():
                        torch.distributed.broadcast(buffer, 0)
                network.eval()
                history.epochs += 1
                history.rate = len(data) / (time.perf_counter() - start)
                if self.validate:
                    history.scores.append(self.validate(network))
                    if history.scores[-1] == max(finite(history.scores)):
                        best = copy.deepcopy(network.state_dict())
                self.say(f"epoch {history.epochs}/{self.epochs} · {history.rate:,.0f} images/s")
                if self.checkpoint and rank == 0:
                    states = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "best": best}
                    checkpoints.keep(self.checkpoint, configuration, vars(history), states)
        network.eval()
        return self._with_best(network, best, history)

    def _loss(
        self,
        model: nn.Module,
        data: Batches,
        index: Int[Tensor, "batch"],
        generator: torch.Generator,
        place: tuple[int, int],
    ) -> Tensor:
        """The loss of this process's share of a batch, such that the mean over processes is the whole batch's."""
        (rank, world), device = place, torch.device(self.device)
        there = rank < len(index)  # if not, an item is computed, for DDP waits for it, but does not count
        mine = slice(rank, None, world) if there else slice(1)
        inputs, *targets = (on(device, part[mine]) for part in data.batch(index, generator))
        half = half_pays(device) if self.half is None else self.half
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = self.loss(model(inputs), *targets)
            own = torch.tensor(len(index[mine]))
            total, count = (own * loss, own) if isinstance(loss, Tensor) else loss
            count = there * torch.as_tensor(count).detach().to(device, torch.float32, copy=True)
            if world > 1:
                torch.distributed.all_reduce(count)
            return there * world / count.clamp(min=1) * total

    def _with_best(self, network: nn.Module, best: dict[str, Tensor], history: History) -> History:
        """The network with the weights of its best epoch. Raises Problem where no epoch's score is finite."""
        if history.scores and not np.isfinite(history.scores).any():
            raise Problem(
                f"no validation score of {len(history.scores)} epochs is finite (the last is {history.scores[-1]}), "
                "so that none is the best; the weights are those of the last epoch"
            )
        if self.validate:
            network.load_state_dict(best)
        return history

    def _out_of_patience(self, history: History) -> bool:
        if not self.patience or not np.isfinite(history.scores).any():
            return False
        return len(history.scores) - 1 - int(np.argmax(finite(history.scores))) >= self.patience


def finite(scores: list[float]) -> list[float]:
    """The scores, −∞ in place of what is no finite number: it is never the best."""
    return [score if np.isfinite(score) else -np.inf for score in scores]


def on(device: torch.device, part: Any) -> Any:
    """A tensor on the device; anything else as it is."""
    return part.to(device) if isinstance(part, Tensor) else part


def mean_over_processes(loss: Tensor, world: int) -> float:
    """The whole batch's loss: every process has computed that of its share, weighted by its size."""
    if world > 1:
        torch.distributed.all_reduce(loss)
    return float(loss) / world
