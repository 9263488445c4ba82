"""Long-term temporal convolutions: clips so long that they hold a whole action, at the price of coarse pixels.

Question   "Wave, then turn" and "turn, then wave" consist of the same two gestures. A network that sees a quarter of
           the film at a time sees either, but never both. Is it better to see all frames in coarse pixels?
Method     Varol, Laptev & Schmid 2016 ("Long-term Temporal Convolutions for Action Recognition"). A 3-D network sees a
           clip of T consecutive frames of s × s pixels; T grows and s shrinks, so that T s² stays the same. It learns
           from clips at random places of training films. A film's score is the mean over its clips c, one every T / 2
           frames:

               p(film) = 1/C Σ_c softmax(network(c))

           The published network of 12,202,085 parameters is built, for any T and s; a small one is trained at
           T = 64, 32, 16 and 8 on films of 64 frames of drawn people.
Rival      A temporal pyramid of HOG and HOF with an SVM. Controls: every fourth frame, for the network and the rival;
           short clips whose scores an SVM combines; a bag of short clips for the rival.
Differs    Drawn people and six classes, not UCF101 and HMDB51. The small network has strides in place of pools, the
           mean over pixels and BatchNorm. Lucas and Kanade's flow, not Brox's. Muon and one cycle.
Costs      140 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, relu

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.video.conv3d import SpaceTime, filters_and_others
from ch07_applications.video.drawn_conv3d import draw_confusions
from ch07_applications.video.drawn_long_term import draw_lengths, draw_moving_spans, draw_spans
from ch07_applications.video.hardwired import FLOW, GREY
from ch07_applications.video.motion_rivals import fit_best
from ch07_applications.video.reduced_films import (
    CLASSES,
    EVERY,
    FRAMES,
    SIDES,
    ClipMaps,
    LongFilms,
    coarse_flow,
    shoot_long,
    studio,
)
from ch07_applications.video.span_rivals import BAG, PYRAMID, THIN_PYRAMID, score_rivals
from common.errors import Problem
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

PUBLISHED = (64, 128, 256, 256, 256)  # maps of the published network's layers
WIDTHS, CELLS = (16, 32, 48, 64), 4  # maps of the small network's layers; times at which its last layer sees them
RATE, BATCH, EPOCHS = 0.02, 32, 8  # epochs: 6 and 8 are level on validation films
NO_ORDER = "accuracy without order, at most"
FULL, QUARTER = FRAMES, FRAMES // 4
POOLED, THINNED = "16 frames, scores combined by an SVM", "every fourth frame"
BASE, RAW, COARSE = "flow, validation", "grey levels, validation", "flow of coarse pixels, validation"


def network_name(length: int) -> str:
    """The method that sees clips of this length."""
    return f"{length} frames of {SIDES[length]}²"


# --- The published network, §3.1 --------------------------------------------------------------------------------------


class PublishedNetwork(nn.Module):
    """Clips to scores: 12,202,085 parameters for 100 frames of 58 × 58 RGB pixels and 101 classes.

    The input of fc6 is 256 · ⌊T/16⌋ · ⌊s/32⌋²: another length or side is another number of parameters. Raises Problem
    for a clip of which five pools leave nothing.
    """

    def __init__(self, frames: int = 100, side: int = 58, classes: int = 101, channels: int = 3) -> None:
        super().__init__()
        if frames < 16 or side < 32:
            raise Problem(f"a clip of {frames} frames of {side}² pixels is too small: five pools need 16 of 32²")
        for place, (inputs, outputs) in enumerate(zip((channels, *PUBLISHED), PUBLISHED, strict=False), start=1):
            self.add_module(f"conv{place}", nn.Conv3d(inputs, outputs, 3, padding=1))
        self.first, self.pool = nn.MaxPool3d((1, 2, 2)), nn.MaxPool3d(2)
        self.fc6 = nn.Linear(PUBLISHED[-1] * (frames // 16) * (side // 32) ** 2, 2048)
        self.fc7, self.fc8, self.drop = nn.Linear(2048, 2048), nn.Linear(2048, classes), nn.Dropout(0.5)

    def forward(self, clips: Float[Tensor, "clips channels frames side side"]) -> Float[Tensor, "clips classes"]:
        maps = self.first(relu(self.conv1(clips)))
        for layer in (self.conv2, self.conv3, self.conv4, self.conv5):
            maps = self.pool(relu(layer(maps)))
        hidden = self.drop(relu(self.fc6(maps.flatten(1))))
        return self.fc8(self.drop(relu(self.fc7(hidden))))


# --- The small network ------------------------------------------------------------------------------------------------


class ClipNetwork(nn.Module):
    """Clips of any length and side to scores. Four space-time layers, three of which halve frames, rows and columns;
    the mean over pixels, and up to CELLS times side by side: so the number of parameters hardly depends on the length.
    """

    def __init__(self, kinds: int, length: int) -> None:
        super().__init__()
        layers, inputs = [], kinds
        for outputs, size, stride in zip(WIDTHS, (5, 3, 3, 3), (2, 2, 2, 1), strict=True):
            layers += [SpaceTime(inputs, outputs, (3, size, size), (stride,) * 3), nn.BatchNorm3d(outputs), nn.ReLU()]
            inputs = outputs
        self.layers, self.drop = nn.Sequential(*layers), nn.Dropout(0.2)
        self.cells = min(CELLS, -(-length // 8))
        self.score = nn.Linear(inputs * self.cells, len(CLASSES))

    def forward(self, clips: Float[Tensor, "clips kinds frames side side"]) -> Float[Tensor, "clips classes"]:
        over_time = self.layers(clips).mean(dim=(3, 4))
        return self.score(self.drop(adaptive_avg_pool1d(over_time, self.cells).flatten(1)))


# --- Clips ------------------------------------------------------------------------------------------------------------


def clip_starts(frames: int, length: int) -> list[int]:
    """Where clips begin: every half clip, the last where it ends with the film. Raises Problem for too long clips."""
    if not 2 <= length <= frames:
        raise Problem(f"a film of {frames} frames has no clips of {length}: choose 2 to {frames}")
    starts = list(range(0, frames - length + 1, max(1, length // 2)))
    return starts if starts[-1] == frames - length else [*starts, frames - length]


def cut(
    maps: Float[Tensor, "films kinds frames side side"], start: int, length: int
) -> Float[Tensor, "films kinds length side side"]:
    """A clip of each film. Flow from its last frame to the next would show what is no longer in the clip: the flow of
    the frame before stands in its place."""
    clips = maps[:, :, start : start + length]
    return clips if start + length == maps.shape[2] else torch.cat([clips[:, :, :-1], clips[:, :, -2:-1]], dim=2)


@dataclass(frozen=True)
class ClipBatches:
    """Clips at random places of films, as common.train.Batches: half of them mirrored, all moved by up to s/8."""

    films: ClipMaps
    labels: Int[Tensor, "films"]
    length: int
    scale: Float[Tensor, "kinds 1 1 1"]

    def __len__(self) -> int:
        return len(self.films)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        maps, signs = self.films.maps, self.films.signs
        starts = torch.randint(maps.shape[2] - self.length + 1, (len(index),), generator=generator).tolist()
        pairs = zip(index.tolist(), starts, strict=True)
        clips = torch.cat([cut(maps[film : film + 1], start, self.length) for film, start in pairs]).float()
        left = torch.rand(len(index), generator=generator) < 0.5
        clips = torch.where(left[:, None, None, None, None], clips.flip(4) * signs, clips) / self.scale
        most = maps.shape[4] // 8
        moved = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
        return torch.roll(clips, moved, dims=(3, 4)), self.labels[index]


@dataclass(frozen=True, eq=False)
class ClipClassifier:
    """A trained network, the length of its clips, and what its maps are divided by. It scores a clip together with its
    mirror image, and a film by all of its clips."""

    network: ClipNetwork
    length: int
    scale: Float[Tensor, "kinds 1 1 1"]

    def clip_probabilities(self, films: ClipMaps) -> Float[np.ndarray, "films clips classes"]:
        """The softmax of every clip's scores."""
        device, found = next(self.network.parameters()).device, []
        starts, signs = clip_starts(films.maps.shape[2], self.length), films.signs.to(device)
        self.network.eval()
        with torch.inference_mode():
            for few in films.maps.split(30):
                clips = [(cut(few, start, self.length).float() / self.scale).to(device) for start in starts]
                both = [(self.network(clip) + self.network(clip.flip(4) * signs)) / 2 for clip in clips]
                found.append(torch.stack(both, dim=1).softmax(dim=2).cpu())
        return torch.cat(found).numpy()

    def predict(self, films: ClipMaps) -> Int64[np.ndarray, "films"]:
        """The class with the highest mean over clips."""
        return self.clip_probabilities(films).mean(axis=1).argmax(axis=1)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network.parameters()


def train(run: Run, films: ClipMaps, labels: Int64[np.ndarray, "films"], length: int, epochs: int) -> ClipClassifier:
    """A network that learns from one clip of each film per epoch. Raises Problem for clips longer than the films."""
    clip_starts(films.maps.shape[2], length)
    powers = torch.cat([few.float().square().mean(dim=(2, 3, 4)) for few in films.maps.split(30)])  # films, kinds
    scale = powers.mean(dim=0).sqrt().clamp(min=1e-3)[:, None, None, None]
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = ClipNetwork(len(films.kinds), length)
    how = {"warm_up": 0.2, "device": run.device, "say": run.say_step}
    training = Training(epochs, RATE, BATCH, Muon, filters_and_others, half=False, **how)  # 16 bits: see the page
    training(network, ClipBatches(films, torch.tensor(labels), length, scale), run.seed)
    return ClipClassifier(network, length, scale)


# --- The lesson -------------------------------------------------------------------------------------------------------


def count_published(run: Run, claims: PaperClaims) -> None:
    """The published network, counted without computing; and with another clip, whose fc6 is another layer."""
    with torch.device("meta"):
        counts = {clip: parameters_of(PublishedNetwork(*clip)) for clip in ((100, 58), (60, 58), (16, 112))}
    for (frames, side), count in counts.items():
        run.fact(f"parameters for {frames} frames of {side}²", count)
    claims.counted(
        "For 100 frames of 58² the network has 12,202,085 parameters", source="authors' code", paper="12,202,085",
        ours=f"{counts[100, 58]:,}", against=f"{counts[16, 112]:,} for 16 frames of 112²",
        holds=counts[100, 58] == 12_202_085,
    )  # fmt: skip


def score_lengths(run: Run, parts: dict[str, LongFilms], epochs: int) -> dict[int, ClipClassifier]:
    """A network for every length of clips: as many films, clips, pixels × frames and epochs."""
    models = {}
    for length, side in SIDES.items():
        flow = {name: part.by_side[side].of(FLOW) for name, part in parts.items()}
        with run.method(network_name(length), kind="deep") as method:
            method.model = models[length] = method.time(
                train, run, flow["train"], parts["train"].labels, length, epochs
            )
            method.score(parts["test"], lambda _, model=method.model, maps=flow["test"]: model.predict(maps))
    with run.method(THINNED, kind="deep") as method:
        flow = {name: part.thinned.of(FLOW) for name, part in parts.items()}
        length = FRAMES // EVERY
        method.model = model = method.time(train, run, flow["train"], parts["train"].labels, length, epochs)
        method.score(parts["test"], lambda _: model.predict(flow["test"]))
    return models


def combine_scores(run: Run, model: ClipClassifier, parts: dict[str, LongFilms]) -> None:
    """An SVM on mean and spread of a film's clips, for the mean alone may lose what clips know, however short."""

    def rows_of(part: LongFilms) -> Float[np.ndarray, "films features"]:
        scores = model.clip_probabilities(part.by_side[SIDES[QUARTER]].of(FLOW))
        return np.concatenate([scores.mean(axis=1), scores.std(axis=1)], axis=1)

    with run.method(POOLED, kind="deep") as method:
        rows = method.time(lambda: [(rows_of(parts["train"]), rows_of(parts["validation"]))])
        _, method.model = method.time(fit_best, rows, parts["train"].labels, parts["validation"].labels)
        method.score(parts["test"], lambda _: method.model.predict(rows_of(parts["test"])))


def study_input(run: Run, claims: PaperClaims, full: ClipClassifier, parts: dict[str, LongFilms], epochs: int) -> None:
    """What the full-length network is given: flow of fine pixels, reduced; flow of reduced films; grey levels. On
    validation films."""
    side = SIDES[FULL]
    shown = {name: parts[name].by_side[side] for name in ("train", "validation")}
    given = {
        BASE: {name: maps.of(FLOW) for name, maps in shown.items()},
        COARSE: {name: coarse_flow(maps.of(GREY)) for name, maps in shown.items()},
        RAW: {name: maps.of(GREY).less_mean() for name, maps in shown.items()},
    }
    for name, films in given.items():
        with run.method(name, kind="deep") as method:
            if name == BASE:
                method.model = full
            else:
                method.model = method.time(train, run, films["train"], parts["train"].labels, FULL, epochs)
            method.score(
                parts["validation"], lambda _, model=method.model, maps=films["validation"]: model.predict(maps)
            )
    for text, against in (
        ("Flow is a better input than pixels", RAW),
        ("… and the finer the flow, the better", COARSE),
    ):
        claims.compared(text, source="abstract", paper="better, no number", ours=BASE, against=against)


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count_published(run, claims)
    counts = run.pick(smoke=(12, 6, 6), lecture=(720, 180, 240), full=(6000, 240, 960))
    seeds = {"train": run.seed, "validation": 0, "test": 0}
    parts = {part: shoot_long(part, n, seeds[part]) for part, n in zip(seeds, counts, strict=True)}
    epochs = run.pick(smoke=1, lecture=EPOCHS, full=30)
    run.fact(NO_ORDER, 100 * (len(CLASSES) - 1) / len(CLASSES), "%")
    models = score_lengths(run, parts, epochs)
    combine_scores(run, models[QUARTER], parts)
    score_rivals(run, parts)
    full = network_name(FULL)
    run.floor(full, "accuracy", at_least=98.5)
    run.floor(network_name(QUARTER), "accuracy", at_most=70.0)
    for text, source, against in (
        ("Longer clips are better, at the same pixels × frames: 64 frames than 16", "abstract", network_name(QUARTER)),
        ("… however the scores of short clips are combined", "not tested", POOLED),
        ("… and 64 frames than 32", "abstract", network_name(FULL // 2)),
        ("All frames are better than every fourth, in finer pixels", "not tested", THINNED),
        ("A long-term network is better than descriptors made by hand", "not compared", PYRAMID),
    ):
        paper = "better, no number" if source == "abstract" else "–"
        claims.compared(text, source=source, paper=paper, ours=full, against=against)
    study_input(run, claims, models[FULL], parts, epochs)
    shown = studio("test").shoot(len(CLASSES))
    credit = f"Photographs: {'; '.join(shown.credits)}."
    strips = f"Every fourth frame of the first test film of every class. {credit}"
    run.figure("films", draw_spans, shown, caption=strips)
    run.figure(
        "moving", draw_moving_spans, shown.take(slice(4)), caption=f"The first test film of four classes. {credit}"
    )
    found = {name: run.methods[name].predictions for name in (full, network_name(QUARTER))}
    shares = "The class of test films (rows) and the predicted one (columns), in per cent."
    run.figure("confusions", draw_confusions, parts["test"].labels, found, CLASSES, caption=shares)
    networks, others = {length: network_name(length) for length in SIDES}, {POOLED: QUARTER, BAG: QUARTER}
    others |= {THINNED: FULL, PYRAMID: FULL, THIN_PYRAMID: FULL}
    lengths = "Accuracy against the length of clips: means over seeds, and every seed of the networks as a point."
    run.figure_over_seeds("lengths", draw_lengths, networks, others, NO_ORDER, caption=lengths)
