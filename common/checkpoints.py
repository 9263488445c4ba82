"""Checkpoints of a training: what is kept after every epoch, and whether it is of the training that goes on from it."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from common.errors import Problem
from common.files import write_whole
from common.identity import identity

if TYPE_CHECKING:
    from common.train import Batches, Training

SETTINGS = ("epochs", "batch_size", "learning_rate", "warm_up", "half")
HOW = ("params", "foreach", "fused", "capturable", "differentiable")  # an optimiser computes: no settings of its steps
SAMPLE = 256  # items that tell batches from others that are no dataclass
WHAT = {"network": "another network", "data": "other images, labels or augmentation"}


def configuration(
    training: Training, network: nn.Module, data: Batches, seed: int, optimiser: torch.optim.Optimizer
) -> dict[str, Any]:
    """What a checkpoint has to share with a training that goes on from it, before its first step.

    Not the first weights, which the checkpoint's replace, nor how it is validated, nor the device.
    """
    shapes = {name: list(weights.shape) for name, weights in network.state_dict().items()}
    found = {"network": f"{shapes} {network}", "images": len(data), "seed": seed}
    found |= {name: getattr(training, name) for name in SETTINGS}
    found |= {"optimiser": type(optimiser).__name__, "groups": len(optimiser.param_groups)}
    own = {name: value for name, value in vars(optimiser).items() if isinstance(value, bool | int | float)}
    for number, group in enumerate(optimiser.param_groups):
        sizes = {"weights": [list(p.shape) for p in group["params"]]}
        settings = {name: value for name, value in (own | group | sizes).items() if name not in HOW}
        found |= {f"{name} of group {number}": str(value) for name, value in settings.items() if name[0] != "_"}
    loss = getattr(training.loss, "func", training.loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    return {**found, "loss": f"{name} {identity(training.loss)}", "data": of_data(data)}


def of_data(data: Batches) -> str:
    """What tells images, labels and augmentation from others: a dataclass's fields, or a sample of batches."""
    if dataclasses.is_dataclass(data):
        return identity(*(getattr(data, field.name) for field in dataclasses.fields(data)))
    n = len(data)
    some = torch.arange(n) if n <= SAMPLE else torch.linspace(0, n - 1, SAMPLE).long()
    return identity(data.batch(some, torch.Generator().manual_seed(0)))


def keep(path: Path, configuration: dict[str, Any], history: dict[str, Any], states: dict[str, dict]) -> None:
    """Write what a training can go on from, whole or not at all. states: of network, optimiser and the best epoch."""
    file = io.BytesIO()
    torch.save({"configuration": configuration, "history": history, **states}, file)
    write_whole(path, file.getvalue())


def resume(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, configuration: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Put network and optimiser where the checkpoint left them; the history, and the best weights until then.

    Raises Problem for a file that is damaged, or of another training.
    """
    kept = load_weights(path, next(network.parameters()).device)
    others = kept.get("configuration", {})
    for name, wanted in configuration.items():
        if (other := others.get(name)) != wanted:
            what = WHAT.get(name, f"{name} {other}, not {wanted}")
            raise Problem(f"{path} is the checkpoint of another training ({what}): delete it to start anew")
    network.load_state_dict(kept["network"])
    optimiser.load_state_dict(kept["optimiser"])
    return kept["history"], kept["best"]


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
