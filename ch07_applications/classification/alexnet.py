"""AlexNet: the convolutional network that won ImageNet's contest in 2012, and what each of its ideas is worth here.

Question   Hand-crafted features led the contest until 2012, when an average of seven such networks had a top-5 error of
           15.3 % and the next entry 26.2 %. Which of the ideas have an effect in a minute, on 5000 small images?
Method     Krizhevsky, Sutskever & Hinton 2012: ReLU (§3.1), two towers (§3.2), local response normalisation (LRN,
           §3.3), overlapping pooling (§3.4), crops and mirror images, ten crops in prediction (§4.1), dropout (§4.2).
Differs    The paper states 224×224 pixels, but only 227 give maps of 55×55: (227 − 11) / 4 + 1. The small network has
           first filters of 5×5 with stride 1, one hidden dense layer, weights that start with He's variances, and
           learns by Muon with label smoothing. Its inputs have a deviation of 1 where the paper's have some 60 grey
           levels, so that LRN's α, which multiplies squares, is larger by 60². No PCA colour jitter.
Rival      Fisher vectors and HOG, each with an RBF-SVM, on the same images.
Costs      140 s on two cores, of them 60 s for the small network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import Layer, layers_of
from ch07_applications.blocks.drawn_networks import draw_maps, draw_where
from ch07_applications.classification import drawn_alexnet
from ch07_applications.classification.activation_race import race
from ch07_applications.classification.cifar import FISHER, HOG, Cifar, cifar, classifier, score_rivals
from ch07_applications.classification.own_photo import in_words, square
from ch07_applications.classification.ten_crops import VIEWS, MiddleCrops, RandomCrops, TenCrops
from common.ablation import BASE
from common.claims import beats
from common.paper_claims import PaperClaims
from common.run import Run

ALEXNET = "small AlexNet"
SHARED = "small AlexNet, cifar10"  # the trained network's name for method.fit_shared
PRINTED_UNITS = 253_440  # of the first layer in the paper, §3.5; 55 · 55 · 96 are 290,400
MAPS = (
    "AlexNet's layers at full size, before pooling: a box is as high as the maps' side and as broad as their number; "
    "bars are dense layers, on a scale of their own."
)
WHERE = "Each layer's share of AlexNet's parameters, and of its multiplications for one image."
ONE_CROP, UNCROPPED = "one crop", "no crops or mirror images, one crop"
CHANGES = {
    "without LRN": {"alpha": None},
    "pooling without overlap": {"overlap": False},
    "without dropout": {"dropout": 0},
}


@dataclass(frozen=True)
class Plan:
    """The settings that differ between versions of AlexNet.

    side: input side in pixels. first: kernel, stride and padding of the first convolution. widths: maps of the five
    convolutions. dense: units of the hidden dense layers. towers: groups of convolutions 2, 4 and 5. alpha: α of LRN,
    or None without LRN. overlap: pooling 3×3 with stride 2, otherwise 2×2. dropout: share of dropped units.
    dropout_first: before each hidden dense layer instead of after it.
    """

    side: int = 227
    first: tuple[int, int, int] = (11, 4, 0)
    widths: tuple[int, ...] = (96, 256, 384, 384, 256)
    dense: tuple[int, ...] = (4096, 4096)
    classes: int = 1000
    towers: int = 2
    alpha: float | None = 1e-4
    overlap: bool = True
    dropout: float = 0.5
    dropout_first: bool = False


PAPER = Plan()
# torchvision's AlexNet is that of Krizhevsky 2014 ("One weird trick"), with dropout at other places.
TORCHVISION = Plan(224, (11, 4, 2), (64, 192, 384, 256, 256), towers=1, alpha=None, dropout_first=True)
SMALL = Plan(28, (5, 1, 2), (32, 64, 96, 80, 64), (128,), classes=10, towers=1, alpha=0.36)  # 1e-4 · 60²


class ResponseNorm(nn.Module):
    """LRN: every unit is divided by the activity of its neighbours at the same place in adjacent maps.

    b_i = a_i / (k + α Σ_j a_j²)^(3/4) with |j − i| ≤ n / 2, k = 2, n = 5: §3.3, Krizhevsky et al. 2012. PyTorch's
    LocalResponseNorm divides its α by n: there 5e-4 is the paper's 1e-4.
    """

    K, N = 2.0, 5

    def __init__(self, maps: int, alpha: float) -> None:
        super().__init__()
        place = torch.arange(maps)
        near = (place[:, None] - place).abs() <= self.N // 2
        self.register_buffer("neighbours", alpha * near.float()[:, :, None, None], persistent=False)

    def forward(self, a: Float[Tensor, "batch maps height width"]) -> Float[Tensor, "batch maps height width"]:
        scale = self.K + functional.conv2d(a.square(), self.neighbours)  # the sum over maps is a 1×1 convolution
        root = scale.rsqrt()
        return a * root * root.sqrt()


class AlexNet(nn.Module):
    """Five convolutions and dense layers: §3.5 and Fig. 2, Krizhevsky et al. 2012. Takes images of 3 × side × side."""

    def __init__(self, plan: Plan = PAPER) -> None:
        super().__init__()
        self.plan, maps, side = plan, 3, plan.side
        features: list[nn.Module] = []
        kernels = (plan.first, (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
        for place, (width, (kernel, stride, padding)) in enumerate(zip(plan.widths, kernels, strict=True), 1):
            towers = plan.towers if place in (2, 4, 5) else 1
            features += [nn.Conv2d(maps, width, kernel, stride, padding, groups=towers), nn.ReLU()]
            maps, side = width, (side + 2 * padding - kernel) // stride + 1
            if place <= 2 and plan.alpha:
                features.append(ResponseNorm(maps, plan.alpha))
            if place in (1, 2, 5):
                features.append(nn.MaxPool2d(3, 2, ceil_mode=True) if plan.overlap else nn.MaxPool2d(2))
                side //= 2  # either way
        classify: list[nn.Module] = [nn.Flatten()]
        units = maps * side**2
        for width in plan.dense:
            hidden = [nn.Linear(units, width), nn.ReLU()]
            dropout = nn.Dropout(plan.dropout)
            classify += [dropout, *hidden] if plan.dropout_first else [*hidden, dropout]
            units = width
        self.features = nn.Sequential(*features)
        self.classify = nn.Sequential(*classify, nn.Linear(units, plan.classes))
        start(self)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        expected = (3, self.plan.side, self.plan.side)
        if tuple(images.shape[1:]) != expected:
            wanted, got = ("×".join(map(str, shape)) for shape in (expected, images.shape[1:]))
            raise ValueError(f"the network expects images of {wanted} (channels, height, width), not {got}")
        return self.classify(self.features(images))


@torch.no_grad()
def start(network: AlexNet) -> None:
    """Weights of variance 2 / inputs (He et al. 2015), biases 0, the last layer near 0.

    After LRN weights are larger by (k + n α)^(3/4), the factor that LRN divides by where activations have a mean square
    of 1. With the paper's deviation of 0.01 everywhere, a network does not leave chance level within a minute.
    """
    layers = [*network.features, *network.classify]
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    norms = [place for place, layer in enumerate(layers) if isinstance(layer, ResponseNorm)]
    for place in norms:
        following = next(layer for layer in layers[place:] if isinstance(layer, nn.Conv2d))
        following.weight *= (ResponseNorm.K + ResponseNorm.N * network.plan.alpha) ** 0.75
    nn.init.normal_(layers[-1].weight, std=0.01)


def full_size(plan: Plan = PAPER) -> list[Layer]:
    """The layers of the full-size network, which has shapes but no weights (meta device)."""
    with torch.device("meta"):
        return layers_of(AlexNet(plan), (3, plan.side, plan.side))


@dataclass(frozen=True)
class Recipe:
    """The training of a small AlexNet, chosen on validation images: see the task's page.

    rate: Muon's learning rate at the peak of one cycle. cropped: random crops and mirror images; else centre crops.
    """

    plan: Plan = SMALL
    epochs: int = 26
    rate: float = 0.006
    cropped: bool = True


RECIPE = Recipe()
THIN = Recipe(replace(SMALL, widths=(16, 32, 48, 40, 32), dense=(64,)), epochs=10)  # the base of the ablations


def parameter_groups(network: nn.Module, rate: float) -> list[dict]:
    """Muon for hidden layers' weights; AdamW for all others at a fifth of the rate, which gives steps as long."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hidden = [layer.weight for layer in layers[1:-1]]
    known = {id(weight) for weight in hidden}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [{"params": hidden, "orthogonal": True}, {"params": others, "orthogonal": False, "lr": rate / 5}]


def small_alexnet(run: Run, recipe: Recipe = RECIPE, checkpoint: str | None = None) -> TenCrops:
    """A small AlexNet, not yet trained, for CIFAR-10's images. It predicts from ten crops."""
    side = recipe.plan.side
    plain = classifier(
        run,
        partial(AlexNet, recipe.plan),
        run.pick(smoke=1, lecture=recipe.epochs),
        learning_rate=recipe.rate,
        groups=partial(parameter_groups, rate=recipe.rate),
        augment=RandomCrops(side) if recipe.cropped else MiddleCrops(side),
        checkpoint=checkpoint,
    )
    return TenCrops(plain.build, plain.training, plain.augment, seed=plain.seed, side=side)


def ablate(run: Run, parts: Cifar) -> None:
    """Train the thin network, and variants that each lack one idea, on `train`; evaluate them on `validation`.

    Overfitting is the accuracy on an equal number of training images minus that on validation images.
    """
    train, judged = (
        part.take(slice(run.pick(smoke=64, lecture=len(part)))) for part in (parts.train, parts.validation)
    )
    seen = train.take(slice(len(judged)))
    recipes = {BASE: THIN, ONE_CROP: THIN, UNCROPPED: replace(THIN, cropped=False)}
    recipes |= {name: replace(THIN, plan=replace(THIN.plan, **change)) for name, change in CHANGES.items()}
    for name, recipe in recipes.items():
        with run.method(name, kind="deep") as method:
            method.fit_shared(f"thin AlexNet, {recipe}", partial(small_alexnet, run, recipe), train)
            predict = partial(method.model.predict_from, views=1 if name in (ONE_CROP, UNCROPPED) else VIEWS)
            right = method.score(judged, predict) == judged.labels
            overfitting = np.mean(predict(seen.images) == seen.labels) - np.mean(right)
            run.fact(f"overfitting: {name}", 100 * overfitting, "points")
    for name, other in {**dict.fromkeys(CHANGES, BASE), ONE_CROP: BASE, UNCROPPED: ONE_CROP}.items():
        run.compare(name, other)


def claim_ideas(claims: PaperClaims) -> None:
    """The paper's claims about its ideas, each decided by comparing networks with and without the idea."""
    for claim, source, paper, other in (
        ("LRN aids generalisation", "§3.3", "CIFAR-10: 13 % → 11 % error; ImageNet top-1 by 1.4 points", "without LRN"),
        ("overlapping pooling reduces the error", "§3.4", "top-1 by 0.4 points", "pooling without overlap"),
        ("averaging ten crops reduces the error", "§4.1, §6", "top-1 39.0 % → 37.5 %", ONE_CROP),
    ):
        claims.compared(claim, source=source, paper=paper, ours=BASE, against=other)
    for idea, source, ours, other in (
        ("crops and mirror images reduce overfitting", "§4.1", ONE_CROP, UNCROPPED),
        ("dropout reduces overfitting", "§4.2", BASE, "without dropout"),
    ):
        facts = {"ours": f"overfitting: {ours}", "against": f"overfitting: {other}"}
        claims.measured(idea, source=source, paper="substantial without", expects="lower", **facts)


def count(run: Run, claims: PaperClaims) -> None:
    """Count the full-size network's layers and units: facts, claims that counting decides, two figures."""
    layers = [layer for layer in full_size() if layer.weighted]
    whole = sum(layer.parameters for layer in full_size(replace(PAPER, towers=1)))
    parameters, units = sum(layer.parameters for layer in layers), sum(math.prod(layer.map) for layer in layers)
    first = math.prod(layers[0].map)
    share = 100 * max(layer.parameters for layer in layers[:5]) / parameters
    dense = 100 * sum(layer.parameters for layer in layers[5:]) / parameters
    run.fact("full size: parameters", parameters)
    run.fact("full size: parameters with one tower", whole)
    run.fact("full size: share of the dense layers in the parameters", dense, "%")
    run.fact("full size: multiplications", sum(layer.multiplications for layer in layers))
    run.fact("full size: units", units)
    claims.counted(
        "60 million parameters", source="abstract", paper="60 million", ours=f"{parameters:,}",
        against=f"{whole:,} with one tower", holds=60e6 <= parameters < 61.5e6,
    )  # fmt: skip
    claims.counted(
        "650,000 neurons", source="abstract", paper="650,000", ours=f"{units:,}",
        against=f"{units - first + PRINTED_UNITS:,} with the {PRINTED_UNITS:,} that the paper prints for layer 1",
        holds=abs(units - 650_000) < 10_000,
    )  # fmt: skip
    claims.counted(
        "no convolution has more than 1 % of the parameters", source="§1", paper="at most 1 %",
        ours=f"{share:.2f} % (the largest)", against=f"{dense:.0f} % (dense)", holds=share <= 1,
    )  # fmt: skip
    labels = [f"{'conv' if place <= 5 else 'dense'} {place}" for place in range(1, 9)]
    run.figure("maps", draw_maps, layers, (3, PAPER.side, PAPER.side), labels, caption=MAPS)
    run.figure("where", draw_where, layers, labels, caption=WHERE)


def lesson(run: Run) -> None:
    photo, parts, claims = None if run.photo is None else square(run.photo), cifar(run), PaperClaims(run)
    count(run, claims)
    run.figure(
        "activations", drawn_alexnet.draw_race, race(run, claims, parts.train),
        caption="Training error of a network of four layers by steps, mean over the last batches, at the learning rate "
        "that reaches 25 % (dashed) first. After Fig. 1 of the paper.",
    )  # fmt: skip
    ablate(run, parts)
    with run.method(ALEXNET, kind="deep") as method:
        model = method.fit_shared(SHARED, partial(small_alexnet, run, checkpoint="small"), parts.whole)
        method.score(parts.test)
    score_rivals(run, parts)
    for rival in (FISHER, HOG):
        run.compare(ALEXNET, rival)
        run.claim(f"The small AlexNet beats {rival}.", beats(ALEXNET, rival))
        run.claim(f"{rival} beat the small AlexNet.", beats(rival, ALEXNET))
    run.floor(ALEXNET, "accuracy", at_least=65)

    claim_ideas(claims)
    first = parts.test.take(slice(8))
    run.figure(
        "answers", drawn_alexnet.draw_answers,
        first.images, model.probabilities(first.images), parts.classes, first.labels,
        caption="The first eight test images with their classes, and the small AlexNet's five largest probabilities; "
        "the true class is green. After Fig. 4 of the paper.",
    )  # fmt: skip
    filters, begun = (net.features[0].weight.detach().cpu().numpy() for net in (model.network_, model.untrained()))
    run.fact("first layer: change by training", 100 * np.linalg.norm(filters - begun) / np.linalg.norm(filters), "%")
    run.figure(
        "filters", drawn_alexnet.draw_filters, filters, filters - begun,
        caption="The sixteen first-layer filters that training changed most (grey is 0), and below each what it added "
        "to the random start, on a scale of its own.",
    )  # fmt: skip
    run.figure_over_seeds(
        "effects", drawn_alexnet.draw_changes, (*CHANGES, UNCROPPED, ONE_CROP),
        caption=f"What each change does to the accuracy on {len(parts.validation)} validation images, with 95 % "
        "intervals; coloured where the paired test finds a difference.",
    )  # fmt: skip
    if photo is not None:
        probabilities = model.probabilities(photo[None])
        run.note(f"Your photo: {in_words(probabilities[0], parts.classes)}.")
        run.figure(
            "photo", drawn_alexnet.draw_answers, photo[None], probabilities, parts.classes,
            caption="The middle of your photo as the small AlexNet gets it, and its five largest probabilities.",
        )  # fmt: skip
