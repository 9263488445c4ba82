"""How depth changes training: the paper's recipe for CIFAR-10 on small images, and what every layer responds.

He et al. 2015, §4.2: SGD with momentum 0.9 and weight decay 10⁻⁴, BatchNorm, a learning rate of 0.1 for batches of 128.
To make networks of 44 layers affordable, images here have 16×16 pixels, and training takes 1000 steps of one learning
rate cycle in place of 64,000. So few images are not shifted, and the learning rate is scaled in proportion to the
batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.classification.cifar import Cifar, classifier
from ch07_applications.classification.drawn_resnet import draw_study, draw_surfaces
from ch07_applications.classification.loss_surface import rise, surface
from common.data import Images
from common.image_classifier import ImageClassifier
from common.muon import hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run

MOMENTUM, DECAY = 0.9, 1e-4
BATCH = 32
PEAK = 0.1 * BATCH / 128
EPOCHS, LAST = 8, 0.1  # LAST: the final share of steps whose losses are averaged
DISTANCE = 0.5  # at which the loss around a minimum is measured, as a share of the filters' lengths
JUDGED = "accuracy on validation"
LOSS, RESPONSE, RISE = "training loss of ", "response of a layer in ", "rise of the loss around "
# Claim, section, the paper's finding; the fact that decides, ours, against what, and how ours has to lie.
MEASURED = (
    ("A deeper plain network trains worse", "§4.2, Fig. 6 left", "yes", LOSS, "plain-44", "plain-20", "higher"),
    ("A deeper residual network trains better", "§4.2, Fig. 6", "yes", LOSS, "ResNet-44", "ResNet-20", "lower"),
    ("Of 44 layers, residual ones train better", "§4.2, Fig. 6", "yes", LOSS, "ResNet-44", "plain-44", "lower"),
    ("Residual layers respond less", "§4.2, Fig. 7", "yes", RESPONSE, "ResNet-44", "plain-44", "lower"),
    ("Shortcuts flatten the loss", "Li et al. 2018, Fig. 1", "yes", RISE, "ResNet-44", "plain-44", "lower"),
)


def halved(part: Images) -> Images:
    """The images at half their size: each pixel is the mean of 2×2."""
    n, height, width, channels = part.images.shape
    blocks = part.images.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
    return Images(np.round(blocks).astype(np.uint8), part.labels, part.ids, part.groups)


def decay_groups(network: nn.Module, decay: float, orthogonal: bool = False) -> list[dict[str, Any]]:
    """Parameter groups in which weight decay acts on filters and dense weights alone, not on γ, β and biases.

    The length of filters before BatchNorm does not change the output; that of γ does. orthogonal: hidden filters form a
    group of their own, for Muon.
    """
    hidden = hidden_filters(network)[0]["params"] if orthogonal else []
    known = {id(weight) for weight in hidden}
    others = [p for p in network.parameters() if id(p) not in known]
    groups = [
        {"params": hidden, "weight_decay": decay, "orthogonal": True},
        {"params": [p for p in others if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def by_the_paper(run: Run, build: Callable[[], nn.Module], epochs: int) -> ImageClassifier:
    """An estimator that trains build() by the recipe of §4.2: SGD, momentum, weight decay on weights alone."""
    return classifier(
        run, build, epochs, learning_rate=PEAK, batch_size=BATCH, optimiser=partial(torch.optim.SGD, momentum=MOMENTUM),
        groups=partial(decay_groups, decay=DECAY), loss=nn.functional.cross_entropy, augment=None, mirrored=False,
        warm_up=0.2,
    )  # fmt: skip


def loss_by(losses: list[float], share: float) -> float:
    """The mean training loss over the tenth of the steps that ends at this share of training; 1 is the end."""
    end = round(share * len(losses))
    return float(np.mean(losses[end - max(1, round(LAST * len(losses))) : end]))


@torch.no_grad()
def response_deviations(network: nn.Module, images: Float[Tensor, "n channels height width"]) -> list[float]:
    """The standard deviation of every BatchNorm's output, in the order of the layers, in evaluation mode (Fig. 7).

    That is a layer's response before ReLU, and before the sum with the shortcut. Projections in shortcuts have one too.
    """
    deviations: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: deviations.append(float(output.std())))
        for layer in network.modules()
        if isinstance(layer, nn.BatchNorm2d)
    ]
    try:
        network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return deviations


def train_all(run: Run, parts: Cifar, variants: dict[str, Callable[[], nn.Module]]) -> dict[str, ImageClassifier]:
    """Train all variants in the same way on training images at half size; score them on validation images."""
    train, judged, models = halved(parts.train), halved(parts.validation), {}
    train = train.take(slice(run.pick(smoke=128, lecture=None)))
    for name, build in variants.items():
        with run.method(name, kind="deep") as method:
            model = models[name] = method.fit(by_the_paper(run, build, run.pick(smoke=1, lecture=EPOCHS)), train)
            right = 100.0 * (model.predict(judged.images) == judged.labels)
            method.score_items(JUDGED, right, judged, unit="%", higher_is_better=True)
            run.fact(LOSS + name, loss_by(model.history_.losses, 1), "nats")
            run.fact(f"{LOSS}{name}, half way", loss_by(model.history_.losses, 0.5), "nats")
    return models


def look_around(run: Run, parts: Cifar, models: dict[str, ImageClassifier]) -> None:
    """Measure the layers' responses and the loss around the weights, on training images: facts and two figures."""
    few = halved(parts.train.take(slice(run.pick(smoke=16, lecture=256))))
    labels, responses, planes = torch.tensor(few.labels), {}, {}
    for name, model in models.items():
        network, images = model.network_.cpu(), model.pixels_(few.images)
        responses[name] = response_deviations(network, images)[1:]  # of the blocks: the stem is the first
        run.fact(RESPONSE + name, float(np.mean(responses[name])))
        if name.endswith("44"):
            directions = run.pick(smoke=1, lecture=8)
            run.fact(RISE + name, rise(network, images, labels, DISTANCE, directions=directions, seed=run.seed), "nats")
            if run.first:
                axis, generator = np.linspace(-1, 1, run.pick(smoke=2, lecture=15)), torch.Generator()
                planes[name] = surface(network, images, labels, axis, generator.manual_seed(run.seed))
    losses = {name: model.history_.losses for name, model in models.items()}
    run.figure(
        "depth", draw_study, losses, responses,
        caption="Training loss of plain (left) and residual networks (middle) of 20 and 44 layers: running means over "
        "60 steps. Right: the standard deviation of every layer's response, after BatchNorm and before the sum.",
    )  # fmt: skip
    if planes:
        run.figure(
            "surface", draw_surfaces, planes,
            caption="The training loss around the weights of the networks of 44 layers (dot), along two random "
            "directions whose filters are as long as the network's own; one scale of colours.",
        )  # fmt: skip


def compare_depths(run: Run, parts: Cifar, claims: PaperClaims, variants: dict[str, Callable[[], nn.Module]]) -> None:
    """Train networks that differ in depth and shortcuts, and test the claims of §4.1 and §4.2.

    variants: plain-20, plain-44, ResNet-20, ResNet-44 and, with 20 layers, option B, option C and "last γ at 0".
    """
    models = train_all(run, parts, variants)
    look_around(run, parts, {name: models[name] for name in variants if name.endswith(("-20", "-44"))})
    for claim, source, paper, what, ours, against, expects in MEASURED:
        claims.measured(claim, source=source, paper=paper, ours=what + ours, against=what + against, expects=expects)
    claims.compared(
        "Projections where the size changes (B) are slightly better than zeros (A)", source="§4.1, Table 3",
        paper="24.52 against 25.03 % top-1 error", ours="option B", against="ResNet-20",
    )  # fmt: skip
    claims.compared(
        "Projections everywhere (C) are marginally better than B", source="§4.1, Table 3",
        paper="24.19 against 24.52 %, not essential", ours="option C", against="option B",
    )  # fmt: skip
    claims.compared(
        "A last γ of 0 at the start helps", source="Goyal et al. 2017, §5.1", paper="yes",
        ours="last γ at 0", against="ResNet-20",
    )  # fmt: skip
