"""The predictions of an inpainting network, their scores, and the mask after each of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.reconstruction.hidden_crops import Crops, HiddenCrops, Picture, score
from ch07_applications.reconstruction.holes import Hole
from ch07_applications.reconstruction.inpainting_rivals import restored
from ch07_applications.reconstruction.smooth_fills import fill_smoothly
from ch07_applications.reconstruction.training_crops import inputs_of
from common.run import Method


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
