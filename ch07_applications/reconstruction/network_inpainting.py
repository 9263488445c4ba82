"""The predictions of an inpainting network, their scores, also where it has learned, and the mask after each layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.reconstruction.hidden_crops import Crops, HiddenCrops, Picture, psnr_in_holes, score
from ch07_applications.reconstruction.holes import Hole
from ch07_applications.reconstruction.inpainting_rivals import HARMONIC, MEAN, restored
from ch07_applications.reconstruction.smooth_fills import fill_smoothly
from ch07_applications.reconstruction.training_crops import PER_HOLE, TrainingCrops, inputs_of
from common.data.photo_pack import photographs
from common.run import Method, Run

COMPARED = 18 * PER_HOLE  # crops that were learned from, and crops that were not; every band has as many
LEARNED, UNSEEN = "PSNR in holes of training crops", "PSNR in holes of crops of held-out photographs"


def fill_crops(network: nn.Module, part: HiddenCrops) -> Crops:
    """The crops with hidden pixels predicted by the network; known pixels stay unchanged."""
    found = 255 * answer(network, inputs_of(part.inputs, part.fills, part.holes))
    return np.stack([restored(*each) for each in zip(found, part.inputs, part.holes, strict=True)])


def fill_picture(network: nn.Module, picture: Picture, hole: Hole) -> Picture:
    """Fill one picture of any size. Raises what check_hole raises."""
    given = inputs_of(picture[None], np.concatenate(fill_smoothly(picture, hole), axis=2)[None], hole[None])
    return restored(255 * answer(network, given)[0], picture, hole)


def answer(network: nn.Module, given: Float[Tensor, "n 10 height width"]) -> Float[np.ndarray, "n height width 3"]:
    """The network's predictions, computed for 64 items at a time."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = torch.cat([network.eval()(each.to(device)).cpu() for each in given.split(64)])
    return found.permute(0, 2, 3, 1).numpy()


def score_network(method: Method, network: nn.Module, parts: Sequence[HiddenCrops]) -> list[Crops]:
    """Fill and score every part with the network."""
    method.model = network
    found = [fill_crops(network, part) for part in parts]
    for part, own in zip(parts, found, strict=True):
        score(method, part, own)
    return found


def compare_learned(run: Run, name: str, network: nn.Module, bank: TrainingCrops) -> None:
    """State PSNR in holes by the network and by smooth fills, of crops it learned from and of crops drawn alike.

    The others are random crops of the held-out photographs, at the same sizes and with the same holes.
    """
    count = min(run.pick(smoke=2 * PER_HOLE, lecture=COMPARED), len(bank))
    held_out = [each.image for each in photographs().train[3::4]]
    parts = {LEARNED: bank.first(count), UNSEEN: TrainingCrops.of(held_out, count, run.seed)}
    for metric, part in parts.items():
        for method, value in psnr_of_bank(name, network, part).items():
            run.fact(f"{metric}, {method}", value, "dB")


def psnr_of_bank(name: str, network: nn.Module, bank: TrainingCrops) -> dict[str, float]:
    """The mean PSNR in holes, in dB, by the network of this name, by the harmonic fill, and by the mean of both."""
    pictures, fills, known = (each.permute(0, 2, 3, 1).numpy() for each in (bank.crops, bank.fills.float(), bank.known))
    holes = ~known[..., 0]
    found = {name: 255 * answer(network, inputs_of(pictures, fills, holes))}
    found |= {HARMONIC: fills[..., :3], MEAN: (fills[..., :3] + fills[..., 3:]) / 2}
    filled = {
        key: np.stack([restored(*each) for each in zip(own, pictures, holes, strict=True)])
        for key, own in found.items()
    }
    return {key: float(psnr_in_holes(pictures, own, holes).mean()) for key, own in filled.items()}


def masks_by_layer(network: nn.Module, given: Float[Tensor, "1 10 _ _"]) -> dict[str, Float[np.ndarray, "_ _"]]:
    """The first picture's mask at the input and after each layer."""
    found, hooks = {"given": given[0, 9].numpy()}, []
    names = [f"layer {k + 1}" for k in range(len(network.encoder) + len(network.decoder))]
    for name, layer in zip(names, (*network.encoder, *network.decoder), strict=True):
        keep = partial(lambda name, _layer, _inputs, output: found.update({name: output[1][0, 0].numpy()}), name)
        hooks.append(layer.register_forward_hook(keep))
    with torch.inference_mode():
        network(given)
    for hook in hooks:
        hook.remove()
    return found
