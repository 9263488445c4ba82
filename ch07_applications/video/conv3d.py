"""Convolutions over space and time: what a film shows that none of its frames does.

Question   Sitting down and standing up have the same frames in reverse order. What does a network need to tell the two
           apart, and does it beat descriptors of motion that were made by hand?
Method     Ji, Xu, Yang & Yu 2010 ("3D Convolutional Neural Networks for Human Action Recognition"). A filter reaches
           over neighbouring frames, too, §2.1: the unit at (x, y, z) of map j in layer i is

               v = tanh(b + Σ_m Σ_p Σ_q Σ_r  w_pqr · v_m(x + p, y + q, z + r)),   r over frames          (2)

           Its first layer does not learn: grey levels, gradients and optical flow (hardwired.py). The published network
           of 295,458 parameters is built; a small one is trained on drawn people (people.py), and judged on people and
           photographs that it has not seen.
Rival      HOG and HOF in cells of space and time with an SVM; motion history images with HOG and an SVM.
Differs    The small network mixes the kinds of maps from the start, has BatchNorm and ReLU, strides in place of
           subsampling, and 12 frames of 40 × 40 pixels. Drawn people, not TRECVID or KTH. Muon and one cycle.
Costs      190 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import conv3d

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.video import motion_rivals as rivals
from ch07_applications.video.drawn_conv3d import draw_bars, draw_confusions, draw_kinds, draw_moving, draw_strips
from ch07_applications.video.films import Films
from ch07_applications.video.hardwired import KINDS, FilmArray, FilmMaps, Maps, hardwired, mirrored, spread
from ch07_applications.video.motions import ACTIONS, PAIRS
from ch07_applications.video.people import Studio
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

WIDTHS = (20, 40, 64, 64)  # maps of the small network's layers
EVERY, OF_ONE_FRAME = (0, 1, 2, 3, 4), (0, 1, 2)  # kinds of maps: flow takes two frames
RATE, BATCH, EPOCHS = 0.02, 32, 8
OURS, FLAT = "3-D network", "2-D network"
SHUFFLED, BACKWARDS = "3-D network, shuffled films", "3-D network, reversed pairs"
HISTOGRAMS, HISTORY = "HOG + HOF + SVM", "motion history + SVM"
BASE, LEARNED, ONE_FRAME = "hardwired", "learned first layer", "filters over one frame"
NO_ORDER = "trained on shuffled films"
TIMED = tuple(name for pair in PAIRS for name in pair)


# --- The published network, Fig. 3 ------------------------------------------------------------------------------------


class KindConvolution(nn.ModuleList):
    """Filters for each kind of maps on its own, over rows, columns and three frames; the sets do not mix. §2.2.

    sets: how many there are, each of which gets `more` sets of filters of its own. kernel: rows and columns.
    """

    def __init__(self, sets: int, more: int, kernel: tuple[int, int]) -> None:
        super().__init__(nn.Conv3d(sets, sets * more, (3, *kernel), groups=sets) for _ in KINDS)

    def forward(self, maps: list[Float[Tensor, "films sets _ _ _"]]) -> list[Float[Tensor, "films more _ _ _"]]:
        return [convolve(kind).tanh() for convolve, kind in zip(self, maps, strict=True)]


class Subsampling(nn.Module):
    """The mean of square × square pixels of each map, times a coefficient and plus a bias, both its own. §2.2."""

    def __init__(self, square: int, sets: int, frames: Sequence[int]) -> None:
        super().__init__()
        self.mean = nn.AvgPool3d((1, square, square))
        shapes = [(sets, count, 1, 1) for count in frames]
        self.coefficients = nn.ParameterList(nn.Parameter(torch.ones(shape)) for shape in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(shape)) for shape in shapes)

    def forward(self, maps: list[Float[Tensor, "films sets _ _ _"]]) -> list[Float[Tensor, "films sets _ _ _"]]:
        each = zip(maps, self.coefficients, self.biases, strict=True)
        return [(self.mean(kind) * scale + bias).tanh() for kind, scale, bias in each]


class Dense(nn.Conv2d):
    """Every output is connected to every map, each connection with a bias of its own. C6 of §2.2.

    The paper's 289,536 = 128 · 78 · (7 · 4 + 1) parameters ask for that; of these biases only their sum matters.
    """

    def __init__(self, maps: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__(maps, outputs, kernel, bias=False)
        self.biases = nn.Parameter(torch.zeros(outputs, maps))

    def forward(self, maps: Float[Tensor, "films maps height width"]) -> Float[Tensor, "films outputs"]:
        return (super().forward(maps).flatten(1) + self.biases.sum(dim=1)).tanh()


class PublishedNetwork(nn.Module):
    """Seven frames of 60 × 40 pixels, as hardwired maps, to scores: 295,458 parameters with three classes. Fig. 3."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.C2, self.S3 = KindConvolution(1, 2, (7, 7)), Subsampling(2, 2, (5, 5, 5, 4, 4))
        self.C4, self.S5 = KindConvolution(2, 3, (7, 6)), Subsampling(3, 6, (3, 3, 3, 2, 2))
        self.C6, self.output = Dense(78, 128, (7, 4)), nn.Linear(128, classes, bias=False)

    def forward(self, maps: Float[Tensor, "films 5 7 60 40"]) -> Float[Tensor, "films classes"]:
        kinds = [maps[:, k : k + 1, : 7 if k < 3 else 6] for k in range(len(KINDS))]  # H1: six flows of seven frames
        kinds = self.S5(self.C4(self.S3(self.C2(kinds))))
        return self.output(self.C6(torch.cat([kind.flatten(1, 2) for kind in kinds], dim=1)))


# --- The small network ------------------------------------------------------------------------------------------------


class SpaceTime(nn.Conv3d):
    """A convolution over frames, rows and columns, without bias: Eq. (2), in all places at once.

    Its weight is kept as a matrix, a filter a row, which is what Muon makes orthogonal.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__(inputs, outputs, kernel, stride, tuple(size // 2 for size in kernel), bias=False)
        self.weight = nn.Parameter(self.weight.detach().flatten(1))

    def forward(self, maps: Float[Tensor, "films inputs _ _ _"]) -> Float[Tensor, "films outputs _ _ _"]:
        filters = self.weight.unflatten(1, (self.in_channels, *self.kernel_size))
        return conv3d(maps, filters, None, self.stride, self.padding)


class ActionNetwork(nn.Module):
    """Hardwired maps to scores of the classes.

    kinds: of maps that it is given. depth: frames that a filter reaches over; 1 makes a 2-D network, which scores every
    frame, and the mean over frames counts. learned: a first layer that learns as many maps as the hardwired one has,
    of the grey levels alone.
    """

    def __init__(
        self, classes: int, kinds: Sequence[int] = EVERY, depth: int = 3, learned: bool = False,
        widths: tuple[int, int, int, int] = WIDTHS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kinds, self.flat = list(kinds), depth == 1
        self.first = SpaceTime(1, len(KINDS), (depth, 3, 3), (1, 1, 1)) if learned else nn.Identity()
        slow = 1 if self.flat else 2
        plan = ((5, (1, 2, 2)), (3, (1, 2, 2)), (3, (slow, 2, 2)), (3, (slow, 1, 1)))  # kernels, strides
        layers, inputs = [], len(KINDS) if learned else len(self.kinds)
        for outputs, (size, stride) in zip(widths, plan, strict=True):
            layers += [SpaceTime(inputs, outputs, (depth, size, size), stride), nn.BatchNorm3d(outputs), nn.ReLU()]
            inputs = outputs
        self.layers, self.drop = nn.Sequential(*layers), nn.Dropout(0.2)
        self.score = nn.LazyLinear(classes)

    def forward(self, maps: Float[Tensor, "films 5 frames side columns"]) -> Float[Tensor, "films classes"]:
        maps = maps[:, self.kinds].contiguous(memory_format=torch.channels_last_3d)  # which is faster
        found = self.layers(self.first(maps)).mean(dim=(3, 4))  # films, maps, times
        if self.flat:
            return self.score(self.drop(found.transpose(1, 2))).mean(dim=1)
        return self.score(self.drop(found.flatten(1)))


def filters_and_others(network: nn.Module) -> list[dict[str, Any]]:
    """Muon's groups: the filters of all layers but the first, and everything else."""
    filters = [layer.weight for layer in network.modules() if isinstance(layer, SpaceTime)][1:]
    known = {id(weight) for weight in filters}
    others = [weight for weight in network.parameters() if id(weight) not in known]
    return [{"params": filters, "orthogonal": True}, {"params": others, "orthogonal": False}]


@dataclass(eq=False)
class ActionClassifier:
    """A trained network with what its maps are divided by. It predicts from a film and its mirror image together."""

    network: ActionNetwork
    scale: Float[Tensor, "5 1 1 1"]

    def predict(self, films: FilmArray) -> Int64[np.ndarray, "films"]:
        return self.predict_maps(hardwired(films))

    def predict_maps(self, maps: Maps) -> Int64[np.ndarray, "films"]:
        device, found = next(self.network.parameters()).device, []
        self.network.eval()
        with torch.inference_mode():
            for part in maps.split(100):
                part = part.float() / self.scale
                found.append(sum(self.network(each.to(device)).cpu() for each in (part, mirrored(part))).argmax(dim=1))
        return torch.cat(found).numpy()

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network.parameters()


def train(
    run: Run, maps: Maps, labels: Int64[np.ndarray, "films"], epochs: int, checkpoint: str | None = None, **network: Any
) -> ActionClassifier:
    """A network that learns from hardwired maps. network: what ActionNetwork is made with."""
    scale = spread(maps)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        built = ActionNetwork(len(ACTIONS), **network)
        built(maps[:2].float())  # which tells the last layer how many inputs it has
    training = Training(
        epochs, RATE, BATCH, Muon, filters_and_others, warm_up=0.2, device=run.device, say=run.say_step,
        checkpoint=None if checkpoint is None else run.checkpoint(checkpoint),
    )  # fmt: skip
    training(built, FilmMaps(maps, torch.tensor(labels), scale), run.seed)
    return ActionClassifier(built, scale)


def shuffled(films: FilmArray, seed: int) -> FilmArray:
    """The frames of each film in a random order of its own."""
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random(films.shape[:2]), axis=1)
    return np.take_along_axis(films, order[:, :, None, None, None], axis=1)


# --- The lesson -------------------------------------------------------------------------------------------------------


def count_published(run: Run, claims: PaperClaims) -> None:
    """The published network, counted without computing."""
    with torch.device("meta"):
        network = PublishedNetwork()
    counts = {name: parameters_of(layer) for name, layer in network.named_children()}
    run.fact("parameters of the published network", sum(counts.values()))
    claims.counted(
        "The network has 295,458 parameters", source="§2.2", paper="295,458", ours=f"{sum(counts.values()):,}",
        against=f"{counts['C6']:,} in C6, a bias for each pair of maps", holds=sum(counts.values()) == 295_458,
    )  # fmt: skip


def score_rivals(run: Run, maps: dict[str, Maps], parts: dict[str, Films]) -> None:
    """Both rivals, which learn and predict from mirrored films, too, as the networks do; settings by validation."""
    ways = {
        HISTOGRAMS: [rivals.hog_hof],
        HISTORY: [lambda maps, threshold=each: rivals.history_features(maps, threshold) for each in rivals.THRESHOLDS],
    }
    learned = ("train", "validation")
    labels = [np.tile(parts[part].labels, 2) for part in learned]
    for name, describe in ways.items():
        with run.method(name, kind="classical") as method:
            rows = [tuple(method.time(rivals.with_mirrored, way, maps[part]) for part in learned) for way in describe]
            best, method.model = method.time(rivals.fit_best, rows, *labels)
            test = rivals.with_mirrored(describe[best], maps["test"])
            method.score(parts["test"], lambda films, model=method.model, rows=test: rivals.predict_both(model, rows))


def study_order(run: Run, claims: PaperClaims, maps: dict[str, Maps], parts: dict[str, Films]) -> None:
    """Fewer films, one change at a time: a first layer that learns; filters over one frame, on the same maps, flow
    among them; films without order. On validation films."""
    few, epochs = run.pick(smoke=(24, 1), lecture=(800, 8))
    train_part, held_out = parts["train"].take(slice(few)), parts["validation"]
    changes = {BASE: {}, LEARNED: {"kinds": (0,), "learned": True}, ONE_FRAME: {"depth": 1}, NO_ORDER: {}}
    for name, change in changes.items():
        with run.method(f"{name}, validation", kind="deep") as method:
            shown, held = maps["train"][:few], maps["validation"]
            if name == NO_ORDER:
                shown, held = (hardwired(shuffled(part.films, run.seed)) for part in (train_part, held_out))
            method.model = model = method.time(train, run, shown, train_part.labels, epochs, **change)
            method.score(held_out, lambda films, model=model, maps=held: model.predict_maps(maps))
    for text, source, against in (
        ("Hardwired maps are better than a first layer that learns", "§2.2", LEARNED),
        ("Filters over frames are better than filters over one, on the same maps", "§2.1", ONE_FRAME),
        ("… and ordered films better than shuffled ones, in training, too", "not tested", NO_ORDER),
    ):
        sides = {"ours": f"{BASE}, validation", "against": f"{against}, validation"}
        claims.compared(text, source=source, paper="no number", **sides)


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count_published(run, claims)
    counts = run.pick(smoke=(48, 24, 24), lecture=(3000, 480, 480), full=(30_000, 480, 960))
    seeds = {"train": run.seed, "validation": 0, "test": 0}
    parts = {part: Studio(part=part).shoot(n, seeds[part]) for part, n in zip(seeds, counts, strict=True)}
    maps = {part: hardwired(films.films) for part, films in parts.items()}
    test, epochs = parts["test"], run.pick(smoke=1, lecture=EPOCHS, full=40)
    with run.method(OURS, kind="deep") as method:
        method.model = model = method.time(train, run, maps["train"], parts["train"].labels, epochs, "action network")
        found = method.score(test, lambda films: model.predict_maps(maps["test"]))
    run.floor(OURS, "accuracy", at_least=90.0)
    with run.method(SHUFFLED, kind="reference") as method:
        method.model = model
        method.score(test, lambda films: model.predict(shuffled(films, run.seed)))
    timed = test.take(np.flatnonzero(np.isin(test.labels, [ACTIONS.index(name) for name in TIMED])))
    with run.method(BACKWARDS, kind="reference") as method:
        method.model = model
        method.score(timed, lambda films: model.predict(np.ascontiguousarray(films[:, ::-1])))
    run.floor(BACKWARDS, "accuracy", at_most=5.0)
    with run.method(FLAT, kind="deep") as method:
        how = {"kinds": OF_ONE_FRAME, "depth": 1}
        method.model = flat = method.time(train, run, maps["train"], parts["train"].labels, epochs, **how)
        method.score(test, lambda films: flat.predict_maps(maps["test"]))
    score_rivals(run, maps, parts)
    kth = "90.2 %, rivals 71.7 to 91.7 % (KTH)"
    for text, source, paper, against in (
        ("A 3-D network recognises actions better than a 2-D network", "§4", "better (TRECVID)", FLAT),
        ("… and better than descriptors of motion made by hand", "§4", kth, HISTOGRAMS),
        ("… and than motion history images", "not compared", "–", HISTORY),
        ("It makes use of the order of frames", "not tested", "–", SHUFFLED),
    ):
        claims.compared(text, source=source, paper=paper, ours=OURS, against=against)
    study_order(run, claims, maps, parts)
    rival = run.methods[HISTOGRAMS].predictions
    shown, credit = test.take(slice(len(ACTIONS))), f"Photographs: {'; '.join(test.credits)}."
    caption = f"Every second frame of the first test film of every class. {credit}"
    run.figure("films", draw_strips, shown, caption=caption)
    walk = ACTIONS.index("walk")  # which is the number of the first film of this class, too
    walker = (test.films[walk], maps["test"][walk].float().numpy(), KINDS)
    caption = f"A test film, and its hardwired maps: dark below zero, bright above. {credit}"
    run.figure("kinds", draw_kinds, *walker, caption=caption)
    moving = shown.take(slice(0, 8, 2))
    run.figure("moving", draw_moving, moving, caption=f"The first test film of four classes. {credit}")
    caption = "The class of test films (rows) and the predicted one (columns), in per cent."
    run.figure("confusions", draw_confusions, test.labels, {OURS: found, HISTOGRAMS: rival}, ACTIONS, caption=caption)
    order = (OURS, SHUFFLED, BACKWARDS, FLAT, HISTOGRAMS, HISTORY)
    run.figure_over_seeds("accuracies", draw_bars, order, caption="Accuracy on test films, with 95 % intervals.")
