"""The training loop: shuffle, take a batch, step, repeat; and what has grown around these lines for good reasons.

Method     Mini-batch gradient descent with a one-cycle learning rate (Smith & Topin 2018). Every epoch draws its order,
           its augmentations and its dropout from a seed of its own, (seed, epoch). So a checkpoint needs no state of a
           generator: a training that was killed goes on from its last whole epoch to the same weights.
Processes  Under torchrun every process computes the gradient of its share of a batch, and DistributedDataParallel takes
           the mean: the same step as one process with the whole batch, but for what looks at the batch as a whole
           (BatchNorm) or draws once a process (dropout).
"""

from __future__ import annotations

import copy
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from common.errors import LossNotFinite, Problem
from common.files import write_whole


@runtime_checkable
class Batches(Protocol):
    """What can be trained on: so many items, and a batch of some of them, (inputs, *targets), each one sliceable."""

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


def processes() -> tuple[int, int]:
    """(this process's rank, how many there are). Under torchrun the first call makes them meet."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return (torch.distributed.get_rank(), world) if world > 1 else (0, 1)


@dataclass
class Training:
    """How to train. Called with a network, data and a seed, it changes the network and returns its History.

    learning_rate: the peak of one cycle, of parameter groups without a peak of their own. optimiser: made of the
    parameters (`groups(network)`, or all that want a gradient) and `lr`. loss: of the outputs and the batch's targets,
    a mean over the batch. half: multiply in bfloat16; None: where that pays. validate: gives a network's score, larger
    is better; the best epoch's weights are kept, and after `patience` epochs without a better one training stops.
    checkpoint: a file that is written after every epoch, and gone on from if it is there. say: is told of progress.
    """

    epochs: int
    learning_rate: float = 0.01
    batch_size: int = 64
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
    groups: Callable[[nn.Module], list] | None = None
    loss: Callable[..., Tensor] = nn.functional.cross_entropy
    warm_up: float = 0.25
    half: bool | None = None
    device: torch.device | str = "cpu"
    validate: Callable[[nn.Module], float] | None = None
    patience: int | None = None
    checkpoint: Path | None = None
    say: Callable[[str], None] = field(default=lambda text: None)

    def __call__(self, network: nn.Module, data: Batches, seed: int = 0) -> History:
        """Raises LossNotFinite, the weights being those after the last whole epoch, and Problem for a checkpoint of
        another configuration, or for batches of one image with BatchNorm."""
        if min(self.batch_size, len(data)) < 2 and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
            raise Problem("BatchNorm cannot learn from batches of one image, which have no variance: take two or more")
        device = torch.device(self.device)
        half = half_pays(device) if self.half is None else self.half
        network.to(device, memory_format=torch.channels_last)  # the order in which convolutions run fastest
        rank, world = processes()
        model = nn.parallel.DistributedDataParallel(network) if world > 1 else network
        trained = self.groups(network) if self.groups else [p for p in network.parameters() if p.requires_grad]
        optimiser = self.optimiser(trained, lr=self.learning_rate)
        peaks = [group["lr"] for group in optimiser.param_groups]
        steps = self.epochs * sum(1 for _ in minibatches(len(data), self.batch_size, torch.Generator()))

        history, best = History(), copy.deepcopy(network.state_dict())
        if self.checkpoint and Path(self.checkpoint).exists():
            history, best = self._resume(network, optimiser, self._configuration(network, data, seed, optimiser))
        with torch.random.fork_rng():  # a lesson's own random numbers do not depend on how long it trained
            while history.epochs < self.epochs and not self._out_of_patience(history):
                start, good = time.perf_counter(), copy.deepcopy(network.state_dict())
                child = int(np.random.SeedSequence([seed, history.epochs]).generate_state(1)[0])
                generator, _ = torch.Generator().manual_seed(child), torch.manual_seed(child)
                model.train()
                for index in minibatches(len(data), self.batch_size, generator):
                    mine = slice(rank, None, world) if rank < len(index) else slice(1)
                    inputs, *targets = (on(device, part[mine]) for part in data.batch(index, generator))
                    weight = len(index[mine]) * world / len(index) if rank < len(index) else 0.0
                    with torch.autocast(device.type, torch.bfloat16, enabled=half):
                        loss = weight * self.loss(model(inputs), *targets)
                    optimiser.zero_grad()
                    loss.backward()
                    history.losses.append(mean_over_processes(loss.detach(), world))
                    if not np.isfinite(history.losses[-1]):
                        network.load_state_dict(good)
                        network.eval()
                        raise LossNotFinite(history.losses[-1], len(history.losses))
                    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                        group["lr"] = peak * one_cycle((len(history.losses) - 1) / steps, self.warm_up)
                    optimiser.step()
                if world > 1:  # BatchNorm's running means, of each process its own, become those of the first
                    for buffer in network.buffers():
                        torch.distributed.broadcast(buffer, 0)
                network.eval()
                history.epochs += 1
                history.rate = len(data) / (time.perf_counter() - start)
                if self.validate:
                    history.scores.append(self.validate(network))
                    if history.scores[-1] == max(history.scores):
                        best = copy.deepcopy(network.state_dict())
                self.say(f"epoch {history.epochs}/{self.epochs} · {history.rate:,.0f} images/s")
                if self.checkpoint and rank == 0:
                    self._keep(network, optimiser, history, best, self._configuration(network, data, seed, optimiser))
        if self.validate:
            network.load_state_dict(best)
        network.eval()
        return history

    def _out_of_patience(self, history: History) -> bool:
        scores = history.scores
        return bool(scores and self.patience) and len(scores) - 1 - int(np.argmax(scores)) >= self.patience

    def _configuration(
        self, network: nn.Module, data: Batches, seed: int, optimiser: torch.optim.Optimizer
    ) -> dict[str, Any]:
        """What a checkpoint has to share with a training that goes on from it."""
        shapes = {name: list(weights.shape) for name, weights in network.state_dict().items()}
        settings = {name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate", "warm_up")}
        kinds = {"optimiser": type(optimiser).__name__, "groups": len(optimiser.param_groups)}
        return {"network": str(shapes), "images": len(data), "seed": seed, **settings, **kinds}

    def _keep(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, history: History, best: dict, configuration: dict
    ) -> None:
        file = io.BytesIO()
        states = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "best": best}
        torch.save({"configuration": configuration, "history": vars(history), **states}, file)
        write_whole(self.checkpoint, file.getvalue())

    def _resume(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, configuration: dict
    ) -> tuple[History, dict[str, Tensor]]:
        kept = load_weights(self.checkpoint, self.device)
        others = {name: kept.get("configuration", {}).get(name) for name in configuration}
        for name, wanted in configuration.items():
            if others[name] != wanted:
                what = "another network" if name == "network" else f"{name} {others[name]}, not {wanted}"
                raise Problem(
                    f"{self.checkpoint} is the checkpoint of another training ({what}): delete it to start anew"
                )
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        return History(**kept["history"]), kept["best"]


def on(device: torch.device, part: Any) -> Any:
    """A tensor on the device; anything else as it is."""
    return part.to(device) if isinstance(part, Tensor) else part


def mean_over_processes(loss: Tensor, world: int) -> float:
    """The whole batch's loss: every process has computed that of its share, weighted by its size."""
    if world > 1:
        torch.distributed.all_reduce(loss)
    return float(loss) / world


def load_weights(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What torch.save has put into the file: tensors, numbers and text, no code. Raises Problem where it is damaged."""
    try:
        if zipfile.is_zipfile(path) and (member := zipfile.ZipFile(path).testzip()):  # torch looks at no checksum
            raise ValueError(f"{member} is damaged")
        kept = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(kept, dict):
            raise TypeError("no dictionary of weights")
    except Exception as error:  # a damaged file can fail in any way: zip, pickle, unicode, missing keys
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise Problem(f"{path} cannot be read as weights ({why}): delete it") from error
    return kept
