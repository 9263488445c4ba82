"""GoogLeNet: filters of several sizes at once, and the 1×1 convolutions that make them affordable.

Question   Objects appear at several scales. What does a layer that filters at all of them cost, and is it better than
           a plain layer of 3×3 filters at the same cost?
Method     Szegedy et al. 2014, "Going deeper with convolutions". Inception modules (inception.py; §4) apply 1×1, 3×3
           and 5×5 convolutions and a pooling side by side; 1×1 convolutions first reduce the number of channels. A
           branch with C channels of input, r of reduction and N filters of k×k costs, per place of the map,

               C r + k² r N   multiplications instead of   k² C N.

           The network is 22 layers deep. So that gradients reach the first layers, two auxiliary heads classify half
           way up in training (§5). Global average pooling replaces large dense layers.
Rival      HOG at several cell sizes with a linear SVM (hog_pyramid.py): scales by hand. Fisher vectors. And a stack of
           plain 3×3 layers with as many multiplications as the Inception stack.
Differs    The published network is built at full size and counted. The trained one has five modules for 32×32 pixels,
           BatchNorm (the paper has none) and no LRN, with the channel shares of module 4c. In a module's pooling
           branch the 1×1 convolution comes first (FastInception). Between stages pooling is 2×2; global max pooling
           ends the network. The ablation trains it at half of its widths for 6 epochs.
Costs      145 s on two cores: 60 for the network, 50 for the ablation, the rest for the rivals.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.classification.cifar import FISHER, Cifar, cifar, classifier, score_rivals
from ch07_applications.classification.drawn_googlenet import draw_changes, draw_costs, draw_module, draw_sizes
from ch07_applications.classification.hog_pyramid import CELLS, PyramidSVM
from ch07_applications.classification.inception import (
    PAPER,
    AuxiliaryHead,
    Inception,
    Row,
    Style,
    first_gradient,
    supervised,
    unit,
    xavier,
)
from ch07_applications.classification.inception_stacks import SMALL, THIN, SmallGoogLeNet, Stack, cost, matched, size
from common.ablation import BASE, Ablation
from common.claims import beats, level
from common.image_classifier import ImageClassifier, LabelledImages, Pixels
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

TABLE_1 = {
    "3a": Row(64, 96, 128, 16, 32, 32),
    "3b": Row(128, 128, 192, 32, 96, 64),
    "4a": Row(192, 96, 208, 16, 48, 64),
    "4b": Row(160, 112, 224, 24, 64, 64),
    "4c": Row(128, 128, 256, 24, 64, 64),
    "4d": Row(112, 144, 288, 32, 64, 64),
    "4e": Row(256, 160, 320, 32, 128, 128),
    "5a": Row(256, 160, 320, 32, 128, 128),
    "5b": Row(384, 192, 384, 48, 128, 128),
}
SIDE, SIDES = 224, {name: {"3": 28, "4": 14, "5": 7}[name[0]] for name in TABLE_1}  # pixels; of the modules' maps
WITH_HEAD = ("4a", "4d")  # modules whose outputs auxiliary heads classify
ALEXNET = 60_965_224  # parameters of Krizhevsky et al. 2012
SMALL_GOOGLENET = "small GoogLeNet, cifar10"  # the name by which lessons share it
EPOCHS = 28
OURS, RIVAL = "small GoogLeNet", "HOG pyramid + linear SVM"
PLAIN, ALONE, BARE = "plain 3×3", "3×3 branch alone", "no BatchNorm"
AS_LARGE, HEADED = "plain 3×3, as many parameters", "no BatchNorm, with heads"
NARROW, NARROW_PLAIN = "half as wide", "plain 3×3, half as wide"
CAPTIONS = {
    "module": "Module 3a without and with reductions. Heights are channels, to one scale; numbers beside the bars, "
    "millions of multiplications. Right: the channels that leave the module.",
    "costs": "Multiplications of the nine modules by the size of the filters: with reductions, with the 1×1 after the "
    "pooling alone, and with none.",
    "sizes": "Accuracy on validation images against multiplications per image: means over seeds, 95 % intervals.",
    "changes": "What each change does to the accuracy on validation images, with 95 % intervals; filled where "
    "the paired test finds a difference.",
}


class GoogLeNet(nn.Module):
    """The published network. Table 1; heads on 4a and 4d (§5) are used in training only.

    style: see Style. heads: whether there are auxiliary heads. table: the modules' channels. Input: images of 224×224
    with their mean subtracted. Returns (scores, scores of each head) in training, scores (before the softmax) in
    evaluation.
    """

    def __init__(
        self, classes: int = 1000, style: Style = PAPER, heads: bool = True, table: dict[str, Row] = TABLE_1
    ) -> None:
        super().__init__()
        convolution = partial(unit, batch_norm=style.batch_norm)
        normalise = [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)] if style.response_norm else []
        halve = partial(nn.MaxPool2d, stride=2, ceil_mode=True)  # 112 -> 56, rounding down would give 55
        self.stem = nn.Sequential(
            convolution(3, 64, 7, stride=2),
            *(halve(3), *normalise),
            convolution(64, 64, 1),
            convolution(64, 192, 3),
            *(*normalise, halve(3)),
        )
        self.modules_, self.pools, channels = nn.ModuleDict(), nn.ModuleDict(), 192
        for name, row in table.items():
            if name in ("4a", "5a"):
                self.pools[name] = halve(3 if name == "4a" else style.last_pool)
            self.modules_[name] = Inception(channels, row, style)
            channels = row.outputs(channels)
        outputs = {name: module.row.outputs(module.before) for name, module in self.modules_.items()}
        self.heads = nn.ModuleDict(
            {name: AuxiliaryHead(outputs[name], 14, classes, style=style) for name in WITH_HEAD if heads}
        )
        self.classify = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(style.dropout), nn.Linear(channels, classes)
        )

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes"] | tuple[Float[Tensor, "batch classes"], ...]:
        """Raises ValueError for images that are not 224×224: the heads' dense layers need that size."""
        if tuple(images.shape[2:]) != (SIDE, SIDE):
            raise ValueError(f"GoogLeNet takes images of {SIDE}×{SIDE} pixels, not {images.shape[2]}×{images.shape[3]}")
        x, auxiliary = self.stem(images), []
        for name, module in self.modules_.items():
            x = module(self.pools[name](x) if name in self.pools else x)
            if self.training and name in self.heads:
                auxiliary.append(self.heads[name](x))
        scores = self.classify(x)
        return (scores, *auxiliary) if auxiliary else scores


def small_googlenet(run: Run) -> ImageClassifier:
    """The network of a minute on two cores; epochs, rate, widths and augmentation were chosen on validation images."""
    epochs = run.pick(smoke=1, lecture=EPOCHS, full=3 * EPOCHS)
    return classifier(run, SmallGoogLeNet, epochs, checkpoint="small_googlenet")


def train_variant(run: Run, parts: Cifar, epochs: int, stack: Stack, seed: int) -> tuple[Any, Int[np.ndarray, "n"]]:
    """Train a stack by small_googlenet's recipe for `epochs` epochs. Returns it and its validation predictions."""

    def build() -> nn.Module:
        network = SmallGoogLeNet(stack)
        return network if stack.batch_norm else xavier(network)

    model = classifier(run, build, epochs, loss=partial(supervised, smoothing=0.05))
    model.seed = seed
    few = parts.train.take(slice(run.pick(smoke=130, lecture=len(parts.train))))
    model.fit(few.images, few.labels)
    return model, model.predict(parts.validation.images)


def tables() -> dict[str, dict[str, Row]]:
    """Table 1 with reductions and without."""
    projected = {name: row.naive(projected=True) for name, row in TABLE_1.items()}
    naive = {name: row.naive() for name, row in TABLE_1.items()}
    return {"with reductions": TABLE_1, "without, pooling projected": projected, "without reductions": naive}


def count_costs(run: Run, claims: PaperClaims) -> None:
    """Count the savings by 1×1 reductions in module 3a and in the whole network: facts, and claims."""
    module, whole = {}, {}
    with torch.device("meta"):
        for name, table in tables().items():
            layers = layers_of(GoogLeNet(heads=False, table=table), (3, SIDE, SIDE))
            whole[name] = sum(layer.multiplications for layer in layers) / 1e9
            module[name] = sum(layer.multiplications for layer in layers if ".3a." in layer.name) / 1e6
            run.fact(f"multiplications of 3a {name}", module[name], "million")
            run.fact(f"multiplications of the published network {name}", whole[name], "billion")
        parameters = parameters_of(GoogLeNet(heads=False))
    with_, _, without = module
    claims.counted(
        "1×1 reductions make a module affordable (3a)",
        source="§4, Table 1",
        paper="128 million operations",
        ours=f"{module[with_]:.1f} million multiplications",
        against=f"{module[without]:.1f} million without",
        holds=2 * module[with_] < module[without],
    )
    claims.counted(
        "Without reductions, channels and costs grow from module to module",
        source="§4",
        paper="a computational blow up within a few stages",
        ours=f"{whole[with_]:.2f} billion multiplications",
        against=f"{whole[without]:.1f} billion without",
        holds=5 * whole[with_] < whole[without],
    )
    claims.counted(
        "It has 12 times fewer parameters than AlexNet",
        source="§1",
        paper="12 times",
        ours=f"{parameters:,}",
        against=f"{ALEXNET:,}, {ALEXNET / parameters:.1f} times as many",
        holds=parameters * 12 <= ALEXNET,
    )


def measure_gradients(run: Run, parts: Cifar, claims: PaperClaims) -> None:
    """Measure the first layer's gradient with and without heads, without BatchNorm: facts and claims.

    The published network is measured at initialisation, on training images enlarged to its size; the small one at
    initialisation and after 20 steps.
    """
    images = Pixels.of(parts.train.images)(parts.train.images[: run.pick(smoke=130, lecture=1280)])
    seen = LabelledImages(images, torch.tensor(parts.train.labels[: len(images)]))
    few = seen.batch(torch.arange(run.pick(smoke=2, lecture=4)), torch.Generator())
    large = functional.interpolate(few[0], size=(SIDE, SIDE), mode="bilinear"), few[1]
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        published = xavier(GoogLeNet(10))
        ours = xavier(SmallGoogLeNet(replace(SMALL, batch_norm=False, heads=True)))
        for which in ("with heads", "without heads"):  # both start from the same weights
            if which == "without heads":
                published.heads, ours.heads = nn.ModuleDict(), nn.ModuleList()
            run.fact(f"first layer's gradient {which}, published network", first_gradient(published, *large))
            run.fact(f"first layer's gradient {which}, small network", first_gradient(ours, *few))
            later = deepcopy(ours)
            Training(1, 0.01, 64, Muon, hidden_filters, supervised)(later, seen, run.seed)
            run.fact(f"first layer's gradient {which}, small network, 20 steps on", first_gradient(later, *few))
    for where in ("published network", "small network", "small network, 20 steps on"):
        claims.measured(
            f"Auxiliary heads increase the gradient that reaches the first layer ({where})",
            source="§5",
            paper="no number: they combat vanishing gradients",
            ours=f"first layer's gradient with heads, {where}",
            against=f"first layer's gradient without heads, {where}",
            expects="higher",
            as_ratio=True,
        )


def study_modules(run: Run, parts: Cifar, claims: PaperClaims) -> None:
    """Run the ablation on validation images, and decide the claims that rest on it."""
    epochs = run.pick(smoke=1, lecture=6, full=40)
    study = Ablation(run, parts.validation, THIN, partial(train_variant, run, parts, epochs), seeds=1, kind="deep")
    narrow = replace(THIN, width=THIN.width / 2)
    variants = {
        PLAIN: matched(THIN, "plain 3×3"),
        AS_LARGE: matched(THIN, "plain 3×3", size),
        ALONE: matched(THIN, "3×3 branch alone"),
        BARE: replace(THIN, batch_norm=False),
        HEADED: replace(THIN, batch_norm=False, heads=True),
        NARROW: narrow,
        NARROW_PLAIN: matched(narrow, "plain 3×3"),
    }
    for name, stack in variants.items():
        study.measure(name, **vars(stack))
    for name, stack in {BASE: THIN, **variants}.items():
        losses = run.methods[name].model.history_.losses
        run.fact(f"training loss of {name}", float(np.mean(losses[-max(1, len(losses) // 5) :])))
        if stack.batch_norm:
            run.fact(f"multiplications of {name}", cost(stack) / 1e6, "million")
    for name, other in ((PLAIN, BASE), (AS_LARGE, BASE), (ALONE, BASE), (BARE, BASE), (HEADED, BARE)):
        study.compare(name, other)
    claims.compared(
        "Inception modules are better than plain layers of as many multiplications",
        source="§4",
        paper="2 to 3 times faster than networks of similar accuracy",
        ours=BASE,
        against=PLAIN,
    )
    claims.compared(
        "Inception modules are better than plain layers of as many parameters",
        source="abstract",
        paper="more depth and width at a constant budget",
        ours=BASE,
        against=AS_LARGE,
    )
    claims.compared(
        "Several scales are better than one",
        source="§4",
        paper="visual information should be processed at various scales",
        ours=BASE,
        against=ALONE,
    )
    claims.compared(
        "Auxiliary heads improve accuracy",
        source="§5",
        paper="around 0.5 % (later control experiments)",
        ours=HEADED,
        against=BARE,
    )


def lesson(run: Run) -> None:
    parts, claims = cifar(run), PaperClaims(run)
    count_costs(run, claims)
    measure_gradients(run, parts, claims)
    study_modules(run, parts, claims)

    with run.method(OURS, kind="deep") as method:
        method.fit_shared(SMALL_GOOGLENET, partial(small_googlenet, run), parts.whole)
        method.score(parts.test)
    with run.method(RIVAL, kind="classical") as method:
        method.fit(PyramidSVM(run.pick(smoke=(8, 16), lecture=CELLS), seed=run.seed), parts.whole)
        method.score(parts.test)
    score_rivals(run, parts)
    for rival in (FISHER, RIVAL):
        run.compare(OURS, rival)
        run.claim(f"The small GoogLeNet beats {rival}.", beats(OURS, rival))
    run.claim(f"The small GoogLeNet and {FISHER} are not significantly different.", level(OURS, FISHER))
    run.floor(OURS, "accuracy", at_least=74.5)

    run.figure("module", draw_module, "3a", 192, TABLE_1["3a"], SIDES["3a"], caption=CAPTIONS["module"])
    run.figure("costs", draw_costs, tables(), 192, SIDES, caption=CAPTIONS["costs"])
    lines = {"Inception": (NARROW, BASE), "plain 3×3": (NARROW_PLAIN, PLAIN)}
    run.figure_over_seeds("sizes", draw_sizes, lines, caption=CAPTIONS["sizes"])
    changes = (PLAIN, AS_LARGE, ALONE, BARE, HEADED)
    run.figure_over_seeds("changes", draw_changes, changes, caption=CAPTIONS["changes"])
