"""VGG: nothing but 3×3 convolutions in stacks, and how deep a plain stack can be.

Question   What do small filters and depth gain, and where does depth alone stop helping?
Method     Simonyan & Zisserman 2015, Table 1. Networks A to E differ in depth alone: five stages of 3×3 convolutions,
           each followed by ReLU, each stage ended by 2×2 max pooling, and three dense layers. Three 3×3 layers have a
           receptive field of 7×7 with 27 C² weights; one 7×7 layer has 49 C² (§2.3). A bad initialisation can stall
           deep networks, so the paper took layers from a trained shallow one (§3.1).
Differs    The trained networks have three stages, 8 weight layers, one of them dense, and 32×32 pixels. They use He's
           initialisation (2015) and learn by Muon. One study uses SGD and one deviation for all layers, like the
           paper, but 0.03, not 0.1; and a shallow network's layers initialise the first of every stage, not the first
           four. The paper's α of local response normalisation is for pixels from 0 to 255; pixels of variance 1 need
           a larger one.
Rival      Fisher vectors and HOG with SVMs; one large filter in place of each stack, at the same cost.
Costs      115 s on two cores: 65 s for the network, 35 s for the studies, 15 s for the rivals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.blocks.counting import layers_of, multiplications_of, parameters_of
from ch07_applications.blocks.drawn_networks import draw_maps, draw_where
from ch07_applications.classification.cifar import FISHER, HOG, Cifar, cifar, classifier, score_rivals
from ch07_applications.classification.drawn_vgg import draw_changes, draw_deviations, draw_losses, draw_receptive_field
from ch07_applications.classification.weight_starts import STARTS, begin_as, deviations, start
from common.ablation import BASE
from common.claims import beats, level
from common.image_classifier import ImageClassifier
from common.paper_claims import PaperClaims
from common.run import Run

# Table 1: stages between bars, a number for a layer with that number of 3×3 filters, 256/1 for filters of another size.
TABLE_1 = {
    "A": "64 | 128 | 256 256 | 512 512 | 512 512",
    "A-LRN": "64 LRN | 128 | 256 256 | 512 512 | 512 512",
    "B": "64 64 | 128 128 | 256 256 | 512 512 | 512 512",
    "C": "64 64 | 128 128 | 256 256 256/1 | 512 512 512/1 | 512 512 512/1",
    "D": "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512",
    "E": "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512",
}
OURS, SMALL, SHARED = "small VGG", "24 24 | 48 48 | 96 96 96", "small VGG of 8 layers, cifar10"
RATE = 0.005  # of Muon, chosen on validation images among .005, .008, .01 and .02, with which accuracy stays at chance
# The study's networks have two thirds of the widths, and few epochs.
DEPTHS = {
    4: "16 | 32 | 64",
    8: "16 16 | 32 32 | 64 64 64",
    11: "16 16 16 | 32 32 32 | 64 64 64 64",
    16: "16 16 16 16 16 | 32 32 32 32 32 | 64 64 64 64 64",
}
MIDDLE, DEEP = 8, 16
LARGE_FILTERS = "22/5 | 33/5 | 56/7"  # one layer with each stack's receptive field; widths for the same cost
WITH_LRN = "16 LRN 16 | 32 32 | 64 64 64"
ONE_FILTER, NORMALISED = "one large filter per stage", "with LRN"
# One deviation for all layers, as in §3.1, and a rate for SGD; the paper's 0.1 makes 11 of these layers fail at once.
FIXED, FIXED_RATE = 0.03, 0.03
SCRATCH, GROWN, SCALED = "SGD, fixed start", "SGD, begun as 4 layers", "SGD, He's start"


class VGG(nn.Module):
    """A row of Table 1, or one in the same notation. dense: units of the hidden dense layers, with dropout after each.

    features and classifier have torchvision's layers in torchvision's order. alpha: α of local response normalisation.
    Raises ValueError if the poolings do not divide the side.
    """

    def __init__(
        self,
        row: str = "D",
        classes: int = 1000,
        side: int = 224,
        dense: Sequence[int] = (4096, 4096),
        alpha: float = 1e-4,
    ) -> None:
        super().__init__()
        stages = TABLE_1.get(row, row).split("|")
        if side % 2 ** len(stages):
            raise ValueError(f"{len(stages)} poolings need a side that {2 ** len(stages)} divides, got {side}")
        self.side, layers, maps = side, [], 3
        for stage in stages:
            for entry in stage.split():
                if entry == "LRN":  # torch divides α by the number of channels; Krizhevsky et al. 2012 do not
                    layers.append(nn.LocalResponseNorm(size=5, alpha=5 * alpha, beta=0.75, k=2.0))
                    continue
                filters, kernel = (int(number) for number in f"{entry}/3".split("/")[:2])
                layers += [nn.Conv2d(maps, filters, kernel, padding=kernel // 2), nn.ReLU()]
                maps = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        units = [maps * (side // 2 ** len(stages)) ** 2, *dense]
        hidden = [layer for sizes in pairwise(units) for layer in (nn.Linear(*sizes), nn.ReLU(), nn.Dropout(0.5))]
        self.classifier = nn.Sequential(*hidden, nn.Linear(units[-1], classes))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Raises ValueError for images of another size: the first dense layer fits one size only."""
        if tuple(images.shape[1:]) != (3, self.side, self.side):
            got = "×".join(map(str, images.shape[1:]))
            raise ValueError(f"the network expects images of 3×{self.side}×{self.side}, got {got}")
        return self.classifier(self.features(images).flatten(1))


def receptive_field(layers: Iterable[nn.Module]) -> int:
    """The side of the square of pixels that one unit after these layers depends on.

    A filter of k pixels widens it by k − 1 steps of its input; every pooling doubles the step.
    """
    field, step = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride = (np.ravel(size)[0] for size in (layer.kernel_size, layer.stride))
            field, step = field + (int(kernel) - 1) * step, step * int(stride)
    return field


def small_network(row: str, deviation: float | None = None, alpha: float = 1e-4) -> VGG:
    """A network for CIFAR-10: ten classes, and one dense layer after the last pooling."""
    return start(VGG(row, classes=10, side=32, dense=(), alpha=alpha), deviation)


def small_vgg(run: Run) -> ImageClassifier:
    """The unfitted network that this lesson reports and the comparison reuses, with a fixed number of epochs."""
    epochs = run.pick(smoke=1, lecture=36, full=120)
    return classifier(run, partial(small_network, SMALL), epochs, learning_rate=RATE, checkpoint="small_vgg")


def count(run: Run, claims: PaperClaims) -> None:
    """Count the published networks' sizes, and decide the paper's claims about small filters."""
    for name in TABLE_1:
        with torch.device("meta"):
            network = VGG(name)
        run.fact(f"parameters of {name}", parameters_of(network) / 1e6, "million")
        run.fact(f"multiplications of {name}", multiplications_of(network, (3, 224, 224)) / 1e9, "billion")
        if name == "D":
            for what in ("parameters", "multiplications"):
                run.fact(f"D: share of {what} in dense layers", 100 * share_of_dense(network, what), "%")
            run.fact("D: receptive field after the last pooling", receptive_field(network.features), "pixels")
    stack, single = [nn.Conv2d(64, 64, 3, bias=False)] * 3, [nn.Conv2d(64, 64, 7, bias=False)]
    sizes = [sum(map(parameters_of, layers)) for layers in (stack, single)]
    claims.counted(
        "Three 3×3 layers see as far as one 7×7 layer, with fewer weights",
        source="§2.3", paper="27 C² against 49 C²", ours=f"{sizes[0] // 64**2} C²", against=f"{sizes[1] // 64**2} C²",
        holds=receptive_field(stack) == receptive_field(single) and sizes[0] < sizes[1],
    )  # fmt: skip


def share_of_dense(network: VGG, what: str) -> float:
    """The dense layers' share of the parameters or multiplications."""
    layers = layers_of(network, (3, network.side, network.side))
    dense = sum(getattr(layer, what) for layer in layers if layer.kind == "Linear")
    return dense / sum(getattr(layer, what) for layer in layers)


def paper_sgd(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """SGD with the paper's momentum and weight decay (§3.1)."""
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=5e-4)


def trained(
    run: Run, parts: Cifar, name: str, build: Callable[[], nn.Module], epochs: int, *,
    first: ImageClassifier | None = None, **settings: Any,
) -> ImageClassifier:  # fmt: skip
    """Train a variant on the training images, after the one that it begins as, and score it on validation images."""
    with run.method(name, kind="deep") as method:
        if first is not None:
            method.time(first.fit, parts.train.images, parts.train.labels)
        settings = {"learning_rate": RATE, "checkpoint": name, **settings}
        model = method.fit(classifier(run, build, epochs, **settings), parts.train)
        method.score(parts.validation)
    run.fact(f"training loss of {name}", last_loss(model.history_.losses))
    return model


def last_loss(losses: Sequence[float]) -> float:
    """The mean loss of the last fifth of the steps."""
    return float(np.mean(losses[-max(1, len(losses) // 5) :]))


def study_depth(run: Run, parts: Cifar, claims: PaperClaims, epochs: int) -> dict[str, list[float]]:
    """Train deeper and deeper networks, one large filter per stage, and normalisation. Returns losses by depth."""
    names = {depth: BASE if depth == MIDDLE else f"{depth} layers" for depth in DEPTHS}
    losses = {}
    for depth in run.pick(smoke=(4, MIDDLE, DEEP), lecture=tuple(DEPTHS)):
        model = trained(run, parts, names[depth], partial(small_network, DEPTHS[depth]), epochs)
        losses[f"{depth} layers"] = model.history_.losses
    trained(run, parts, ONE_FILTER, partial(small_network, LARGE_FILTERS), epochs)
    # Krizhevsky's α is for pixels from 0 to 255 (§3.1, too); the squares of pixels of variance 1 are that much smaller.
    alpha = 1e-4 * float(parts.train.images.var())
    trained(run, parts, NORMALISED, partial(small_network, WITH_LRN, alpha=alpha), epochs)
    for name in (names[4], names[DEEP]):
        run.compare(name, BASE)

    claims.compared(
        "A stack of 3×3 layers beats one large filter", source="§4.1", paper="7 points of top-1 error (5×5 for a pair)",
        ours=BASE, against=ONE_FILTER,
    )  # fmt: skip
    claims.compared(
        "Local response normalisation does not help", source="§4.1, Table 3", paper="29.6 % (A), 29.7 % (A-LRN)",
        ours=NORMALISED, against=BASE, expects="level", margin=1.0,
    )  # fmt: skip
    claims.compared(
        "Depth helps: 8 layers beat 4", source="§4.1, Table 3", paper="29.6 % (11 layers), 27.0 % (16)", ours=BASE,
        against=names[4],
    )  # fmt: skip
    claims.compared(
        "More depth helps more: 16 layers beat 8", source="§4.1, Table 3", paper="29.6 % (11 layers), 27.0 % (16)",
        ours=names[DEEP], against=BASE,
    )  # fmt: skip
    claims.measured(
        "16 layers reach a lower training loss than 8", source="Table 3 (implied)", paper="yes",
        ours=f"training loss of {names[DEEP]}", against=f"training loss of {BASE}", expects="lower",
    )  # fmt: skip
    return losses


def study_starts(run: Run, parts: Cifar, claims: PaperClaims, epochs: int) -> dict[str, list[float]]:
    """Train 8 layers by SGD from one deviation, from a trained network of 4 layers, and from He's. Returns losses."""
    sgd = {"optimiser": paper_sgd, "groups": None, "learning_rate": FIXED_RATE}
    deep = partial(small_network, DEPTHS[MIDDLE])
    shallow_epochs = max(1, epochs // 2)
    alone = trained(run, parts, SCRATCH, partial(deep, FIXED), epochs, **sgd)
    shallow = classifier(run, partial(small_network, DEPTHS[4], FIXED), shallow_epochs, checkpoint="4, SGD", **sgd)
    grown = trained(
        run, parts, GROWN, lambda: begin_as(deep(FIXED), shallow.network_), max(1, epochs - shallow_epochs),
        first=shallow, **sgd,
    )  # fmt: skip
    scaled = trained(run, parts, SCALED, deep, epochs, **sgd)
    claims.compared(
        "A deep network trains when begun as a trained shallow one", source="§3.1", paper="done for deeper ones",
        ours=GROWN, against=SCRATCH,
    )  # fmt: skip
    claims.compared(
        "A start scaled to each layer makes this needless", source="§3.1 (Glorot & Bengio 2010)", paper="yes",
        ours=SCALED, against=SCRATCH,
    )  # fmt: skip
    losses = alone.history_.losses, shallow.history_.losses + grown.history_.losses, scaled.history_.losses
    return dict(zip((SCRATCH, GROWN, SCALED), losses, strict=True))


def measure_starts(run: Run, parts: Cifar) -> dict[str, list[float]]:
    """The standard deviation of D's outputs, layer by layer, before training, for each initialisation."""
    row, dense = run.pick(smoke=(SMALL, ()), lecture=("D", (4096, 4096)))
    images = parts.train.images[: run.pick(smoke=4, lecture=32)]
    inputs = torch.tensor((images - images.mean()) / images.std()).float().permute(0, 3, 1, 2)
    spread = {}
    for name, deviation in STARTS.items():
        with torch.random.fork_rng():
            torch.manual_seed(run.seed)
            network = start(VGG(row, side=32, dense=dense), deviation)
        spread[name] = own = deviations(network, inputs)
        run.fact(f"D for 32×32 pixels, untrained, {name}: log10 of the last outputs' deviation", np.log10(own[-1]))
    return spread


def draw_all(
    run: Run, depths: dict[str, list[float]], starts: dict[str, list[float]], spread: dict[str, list[float]]
) -> None:
    """Draw the figures of this lesson."""
    with torch.device("meta"):
        layers = layers_of(VGG("D"), (3, 224, 224))
    maps = [layer for layer in layers if layer.kind in ("MaxPool2d", "Linear")]
    labels = [f"pool {i + 1}" for i in range(5)] + [f"FC {i + 1}" for i in range(3)]
    own = [f"conv {i + 1}" for i in range(13)] + [f"FC {i + 1}" for i in range(3)]
    run.figure(
        "maps", draw_maps, maps, (3, 224, 224), labels,
        caption="D's maps after every pooling and its dense layers (FC): side²×channels. Sides have one scale, "
        "channels another, dense units a third.",
    )  # fmt: skip
    run.figure(
        "where", draw_where, layers, own,
        caption="Where D's parameters and its multiplications for one image of 224² are: share per layer.",
    )  # fmt: skip
    run.figure(
        "receptive_field", draw_receptive_field,
        caption="One unit after three 3×3 layers depends on 3, 5 and 7 pixels per side, as after one 7×7 layer. Right: "
        "weights, for C channels throughout.",
    )  # fmt: skip
    run.figure(
        "losses", draw_losses, depths, starts,
        caption="Training loss, a running mean over 20 steps. Left: by depth, with Muon and He's start. Right: 8 "
        "layers with SGD, by start; the line of the network begun as 4 layers includes their training.",
    )  # fmt: skip
    run.figure(
        "deviations", draw_deviations, spread,
        caption="Standard deviation of the outputs of every weight layer of D for 32×32 pixels, untrained, by start.",
    )  # fmt: skip
    run.figure_over_seeds(
        "changes", draw_changes, (OURS, FISHER, HOG),
        caption="What each change does to the accuracy on validation images, with 95 % intervals; filled where "
        "the paired test finds a difference.",
    )  # fmt: skip


def lesson(run: Run) -> None:
    parts, claims = cifar(run), PaperClaims(run)
    count(run, claims)
    with run.method(OURS, kind="deep") as method:
        method.fit_shared(SHARED, partial(small_vgg, run), parts.whole)
        method.score(parts.test)
    score_rivals(run, parts)
    for rival in (FISHER, HOG):
        run.compare(OURS, rival)
        run.claim(f"The small VGG beats {rival}.", beats(OURS, rival))
        run.claim(f"The small VGG and {rival} are not significantly different.", level(OURS, rival))
    run.floor(OURS, "accuracy", at_least=72.0)

    epochs = run.pick(smoke=1, lecture=4, full=20)
    if few := run.pick(smoke=64, lecture=0):
        parts = replace(parts, train=parts.train.take(slice(few)), validation=parts.validation.take(slice(few)))
    depths = study_depth(run, parts, claims, epochs)
    starts = study_starts(run, parts, claims, epochs)
    spread = measure_starts(run, parts)
    draw_all(run, depths, starts, spread)
