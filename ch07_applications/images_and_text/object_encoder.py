"""An encoder pretrained on objects before it sees sentences: a small network, and its vector of a scene.

Show and Tell's encoder was trained on ImageNet. This one is trained on the objects of training scenes: first on crops,
then on whole scenes for a short while, to predict which of ten classes, six colours and two sizes each has.

Attention      A map of weights, by a softmax over all cells of a region, pools the maps (cells on the object count). In
               training a region is a crop; in a scene it is a quarter, of which four make the scene's vector.
Held-out pairs The class is recognised from edges without colours, as in HOG; the colour by separate layers with a small
               receptive field, which mostly use a cell's colours. So "red is never a boot" can hardly be learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from common.errors import Problem
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import Training, half_pays

WIDTHS, COLOUR_WIDTH = (16, 32, 96, 128), 32
KINDS = (10, 6, 2)  # the numbers of classes, colours and sizes
NUMBERS = 19  # outputs per region: scores of classes, colours and sizes, and of an object's presence
RATE, FINE_RATE, BATCH = 0.02, 0.015, 64
CROP, SHIFT, EMPTY = 48, 16, 0.25  # pixels; by which a crop is shifted; share of empty quarters used as crops
Targets = Int64[Tensor, "n regions 3"]


class ObjectNetwork(nn.Module):
    """Scores of each region of a picture: of a crop, or of the four quarters of a scene."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers, sizes = [], (5, 3, 3, 3)
        for inputs, outputs, size, stride in zip((3, *widths), widths, sizes, (2, 2, 2, 1), strict=False):
            layers += [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.attend = nn.Conv2d(widths[-1], 1, 1)
        self.score = nn.Linear(widths[-1], KINDS[0] + KINDS[2] + 1)
        self.tints = nn.Sequential(
            nn.AvgPool2d(4), nn.Conv2d(3, COLOUR_WIDTH, 1), nn.ReLU(),
            nn.Conv2d(COLOUR_WIDTH, COLOUR_WIDTH, 1, bias=False), nn.BatchNorm2d(COLOUR_WIDTH), nn.ReLU(),
            nn.AvgPool2d(2),
        )  # fmt: skip
        self.colour = nn.Linear(COLOUR_WIDTH, KINDS[1])

    def forward(self, pictures: Float[Tensor, "n 3 side side"]) -> Float[Tensor, "n regions numbers"]:
        inputs = (edges_of(pictures), pictures)
        edges, colours = (each.contiguous(memory_format=torch.channels_last) for each in inputs)  # the faster layout
        maps, tints = self.trunk(edges), self.tints(colours)
        weights, found = self.attend(maps).float(), []
        for rows, columns in regions_of(maps.shape[-1]):
            share = weights[..., rows, columns].flatten(2).softmax(dim=2)
            look, tint = ((each[..., rows, columns].flatten(2) * share).sum(dim=2) for each in (maps, tints))
            scores = self.score(look)
            found.append(torch.cat([scores[:, : KINDS[0]], self.colour(tint), scores[:, KINDS[0] :]], dim=1))
        return torch.stack(found, dim=1)


def regions_of(cells: int) -> list[tuple[slice, slice]]:
    """Rows and columns of a crop's only region, or of a scene's four quarters, which overlap by two cells of eight
    pixels: an object lies entirely in one of them."""
    if cells * 8 <= CROP:
        return [(slice(None), slice(None))]
    half = cells // 2 + 1
    ends = (slice(0, half), slice(cells - half, cells))
    return [(rows, columns) for rows in ends for columns in ends]


def object_loss(scores: Float[Tensor, "n regions numbers"], targets: Targets) -> tuple[Tensor, Tensor]:
    """Cross-entropies of class, colour and size of each object and of presence in each region: sum, and objects."""
    there = targets[..., 0] >= 0
    loss = functional.binary_cross_entropy_with_logits(scores[..., -1].float(), there.float(), reduction="sum")
    for kind, each in enumerate(scores[..., :-1].float().split(KINDS, dim=2)):
        sides = (each.flatten(0, 1), targets[..., kind].flatten())
        loss = loss + functional.cross_entropy(*sides, ignore_index=-1, reduction="sum")
    return loss, there.sum()


def edges_of(pictures: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """Strength and direction of edges, √m, √m cos 2θ and √m sin 2θ, of all three colours together.

    Di Zenzo 1986: squares and products of the gradients, summed over the colours. The angle is doubled, because which
    side is brighter depends on the photograph, not on the garment.
    """
    pictures = pictures.contiguous()
    across = functional.pad(pictures[..., 2:] - pictures[..., :-2], (1, 1, 0, 0))
    down = functional.pad(pictures[..., 2:, :] - pictures[..., :-2, :], (0, 0, 1, 1))
    xx, yy, xy = (each.sum(dim=1) for each in (across**2, down**2, across * down))
    length = (xx + yy + 1e-6).sqrt()
    return torch.stack([length, (xx - yy) / length, 2 * xy / length], dim=1) / length.sqrt()[:, None]


@dataclass
class ObjectBatches:
    """Crops or scenes with the objects of their regions, as common.train.Batches, randomly mirrored.

    side: of a random square within a crop; None: the whole scene.
    """

    pictures: UInt8[Tensor, "n 3 height width"]
    targets: Targets
    side: int | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Targets]:
        pictures, targets = self.pictures[index], self.targets[index]
        if self.side:
            room = pictures.shape[-1] - self.side + 1
            down, across = torch.randint(0, room, (2,), generator=generator).tolist()
            pictures = pictures[..., down : down + self.side, across : across + self.side]
        mirrored = torch.rand(len(index), generator=generator) < 0.5
        pictures = scaled(torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures))
        if targets.shape[1] == 4:  # left and right quarters change places
            targets = torch.where(mirrored[:, None, None], targets[:, [1, 0, 3, 2]], targets)
        return pictures, targets


def scaled(pictures: UInt8[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """Bytes scaled to −1 … 1."""
    return pictures.float() / 127.5 - 1


def channels_first(images: Shaped[np.ndarray, "..."]) -> UInt8[Tensor, "n 3 height width"]:
    """The images in the network's layout. Raises Problem unless they are colour images of whole numbers."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise Problem(f"scenes are colour pictures of bytes, not {images.dtype} {images.shape}")
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def quarter_of(boxes: Float32[np.ndarray, "*n 4"], side: int) -> Int64[np.ndarray, "*n"]:
    """The quarter of a scene that contains a box's centre: 0 and 1 above, 2 and 3 below."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2 > side / 2
    return middle[..., 0] + 2 * middle[..., 1]


def objects_in_quarters(part: CaptionedScenes) -> Targets:
    """Class, colour and size of the object in each quarter; −1 if there is none."""
    found = torch.full((len(part), 4, 3), -1)
    quarters = quarter_of(part.boxes, part.images.shape[1])
    for scene, number in zip(*np.nonzero(part.labels >= 0), strict=True):
        values = (int(each[scene, number]) for each in (part.labels, part.colours, part.sizes))
        found[scene, quarters[scene, number]] = torch.tensor(list(values))
    return found


def crops_of_objects(part: CaptionedScenes, seed: int) -> ObjectBatches:
    """A square around each object, and some of the empty quarters; with reflection padding."""
    rng, side, length = np.random.default_rng(seed), CROP + SHIFT, part.images.shape[1]
    targets, crops, objects, margin = objects_in_quarters(part), [], [], side // 4
    middles = (part.boxes[..., :2] + part.boxes[..., 2:]) / 2
    quarters = quarter_of(part.boxes, length)
    for scene in range(len(part)):
        padded = np.pad(part.images[scene], ((margin,) * 2, (margin,) * 2, (0, 0)), mode="reflect")
        own = {int(quarters[scene, k]): middles[scene, k] for k in np.flatnonzero(part.labels[scene] >= 0)}
        for quarter in range(4):
            if quarter not in own and rng.random() >= EMPTY:
                continue
            middle = own.get(quarter, length * (0.25 + 0.5 * np.array([quarter % 2, quarter // 2])))
            left, top = np.clip(np.rint(middle - side / 2 + margin), 0, length + 2 * margin - side).astype(int)
            crops.append(padded[top : top + side, left : left + side].copy())
            objects.append(targets[scene, quarter : quarter + 1])
    return ObjectBatches(channels_first(np.stack(crops)), torch.stack(objects), CROP)


def pretrain(run: Run, part: CaptionedScenes, epochs: tuple[int, int]) -> ObjectNetwork:
    """Train a network on the objects of these scenes. epochs: on crops, and on whole scenes."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = ObjectNetwork()
    scenes = ObjectBatches(channels_first(part.images), objects_in_quarters(part))
    stages = (crops_of_objects(part, run.seed), epochs[0], RATE), (scenes, epochs[1], FINE_RATE)
    for batches, rounds, rate in stages:
        how = {"loss": object_loss, "warm_up": 0.2, "device": run.device, "say": run.say_step}
        Training(rounds, rate, BATCH, Muon, hidden_filters, **how)(network, batches, run.seed)
    return network.cpu()


def image_vectors(network: ObjectNetwork, images: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "n numbers"]:
    """A vector of each scene: for its quarters in order, the probabilities of each class, colour and size, multiplied
    by that of an object, and that one.
    """
    found, half = [], half_pays(torch.device("cpu"))
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for pictures in channels_first(images).split(100):
            scores = network(scaled(pictures)).float()
            *kinds, there = scores.split((*KINDS, 1), dim=2)
            shares = [each.softmax(dim=2) * there.sigmoid() for each in kinds]
            found.append(torch.cat([*shares, there.sigmoid()], dim=2).flatten(1))
    return torch.cat(found).numpy()
