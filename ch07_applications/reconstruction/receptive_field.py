"""The effective past of a pixel: the inputs on which a network's output at one place depends."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import nn

from ch07_applications.reconstruction.drawn_pixel_rnn import CAPTIONS, draw_fields
from common.paper_claims import PaperClaims
from common.run import Run

SIZE, PLACE = (28, 28), (14, 14)


def receptive_field(
    network: nn.Module, size: tuple[int, int], place: tuple[int, int], seed: int = 0
) -> Bool[torch.Tensor, "height width"]:
    """True where the gradient of the output at a place is not 0, for some of 8 images of noise.

    All weights are drawn at random, so that none is 0, and in double precision, so that no product of many vanishes.
    """
    network = copy.deepcopy(network).cpu().double()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        with torch.no_grad():
            for weights in network.parameters():
                weights.normal_(std=0.3)
        images = torch.rand(8, 1, *size, dtype=torch.float64, requires_grad=True)
    network(images)[:, 0, place[0], place[1]].sum().backward()
    return images.grad.abs().amax(dim=(0, 1)) > 0


def past(size: tuple[int, int], place: tuple[int, int]) -> Bool[torch.Tensor, "height width"]:
    """The pixels before a place in reading order."""
    order = torch.arange(size[0] * size[1]).view(size)
    return order < order[place]


def study_fields(run: Run, networks: Mapping[str, nn.Module], claims: PaperClaims) -> None:
    """Measure the context of the central pixel in the networks (PixelCNN, Row LSTM, Diagonal BiLSTM)."""
    before, fields = past(SIZE, PLACE).numpy(), {}
    for name, network in networks.items():
        fields[name] = receptive_field(network, SIZE, PLACE).numpy()
        run.fact(f"{name}: share of earlier pixels seen", 100 * float(fields[name][before].mean()), "%")
    run.figure("fields", draw_fields, fields, before, PLACE, caption=CAPTIONS["fields"])
    shares = {name: float(field[before].mean()) for name, field in fields.items()}
    cnn, row, diagonal = shares.values()
    described = [f"{name}: {share:.1%}" for name, share in shares.items()]
    claims.counted(
        "A Row LSTM sees a triangle of the past, a Diagonal BiLSTM all of it", source="§3.1–3.2, Fig. 4",
        paper="a drawing", ours=described[2], against=f"{described[1]}, {described[0]}",
        holds=cnn < row < diagonal and diagonal > 0.99,
    )  # fmt: skip
