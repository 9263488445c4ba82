"""LeNet of 1989: nine thousand weights, sixty-four thousand connections, trained to read zip codes.

Question   Can a network learn to read digits from nearly raw pixels, if its connections are built for images?
Method     LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition", Neural Computation 1,
           541-551: units that share weights in maps, squared error, 23 passes, one step of gradient descent per digit,
           always in the same order (lenet/by_hand.py). The numbers of digits are the paper's: 7291 for training, 2007
           for testing. The paper's test error: 5.00 %.
Rival      A dense network with equally many weights, trained in batches; nearest neighbours and an RBF-SVM. All use the
           same 16×16 pixels (lenet/sixteen_pixels.py).
Differs    The digits are MNIST's; the post office's were harder. There is one learning rate for all weights, where the
           paper has one for each, from the error's curvature. The maps connected to H2: lenet/plan.py.
Costs      16 s on two cores, half of it the 23 passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from torch import Tensor, nn

from ch05_cnn.drawings.lenet1989 import draw_first_layer, draw_passes, draw_readings
from ch05_cnn.lenet.by_hand import DigitByDigit, add_border
from ch05_cnn.lenet.plan import (
    BACKGROUND,
    BEFORE,
    CLASSES,
    HIDDEN,
    KERNEL,
    PAPER,
    SEEN_BY_H1,
    SEEN_BY_H2,
    SIDE,
    STRIDE,
    A,
    S,
    Size,
    count_layer,
    fan_in,
)
from ch05_cnn.lenet.sixteen_pixels import shrink, shrink_ink_box
from ch05_cnn.models.networks import check_images
from common import data
from common.answers import check_labels, check_same_shape
from common.data import Dataset
from common.image_classifier import LabelledImages, outputs
from common.run import Run
from common.seeding import build_seeded
from common.train import Training
from common.tuning import choose, tuned

RATE = 0.002  # the best of 0.001, 0.002, 0.003, 0.005, 0.01 and 0.02 on validation digits
PASSES, TRIAL = 23, 3
BATCH, BATCH_RATE, MOMENTUM = 64, 0.05, 0.9  # for training in batches; the best rate of three on validation digits
DENSE = 36  # hidden units of a dense network with equally many weights
PAPER_TEST, PAPER_TRAIN, PAPER_REJECTED = 5.00, 0.14, 12.1  # % of the digits
REDUCTIONS: dict[str, Callable] = {"whole image": shrink, "box of the ink": shrink_ink_box}

Small = Float32[np.ndarray, "n 16 16"]
Labels = Shaped[np.ndarray, "..."]


class ScaledTanh(nn.Module):
    """The activation A tanh(S a)."""

    def forward(self, a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return A * torch.tanh(S * a)


def squared_error(o: Float[Tensor, "n 10"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """½ Σ (o − t)², the mean over the digits; t is +1 for the digit's own output and −1 for the others."""
    return 0.5 * (o - targets(labels)).square().sum(dim=1).mean()


def targets(labels: Int[Tensor, "n"]) -> Float32[Tensor, "n 10"]:
    return 2.0 * nn.functional.one_hot(labels, CLASSES).float() - 1.0


def initialise(layer: nn.Module) -> None:
    """Weights and biases uniform in ±2.4 / F, F the unit's fan-in, which keeps sums where the tanh is not flat."""
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -2.4 / fan_in(layer), 2.4 / fan_in(layer))


class FeatureMaps(nn.Module):
    """Maps of units with neighbourhoods of 5×5 in some of the maps before; weights shared in a map, biases not.

    seen: for every map, the connected maps before it. side: of those; the new maps have half of it.
    """

    def __init__(self, seen: list[list[int]], side: int) -> None:
        super().__init__()
        self.maps_before = 1 + max(map(max, seen))
        self.register_buffer("seen", torch.tensor(seen), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(seen), len(seen[0]), KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.empty(len(seen), side // STRIDE, side // STRIDE))
        initialise(self)

    def kernels(self) -> Float[Tensor, "maps maps_before 5 5"]:
        """The weights of all pairs of maps: 0 if they are not connected."""
        maps = torch.arange(len(self.seen), device=self.seen.device)[:, None]
        nothing = self.weight.new_zeros(len(maps), self.maps_before, KERNEL, KERNEL)
        return nothing.index_put((maps, self.seen), self.weight)

    def forward(self, x: Float[Tensor, "n maps_before side side"]) -> Float[Tensor, "n maps half half"]:
        """The units' sums before the activation."""
        behind = KERNEL - STRIDE - BEFORE  # of the three rows missing, two lie before the image and one after it
        x = nn.functional.pad(x, (BEFORE, behind, BEFORE, behind), value=BACKGROUND)
        return nn.functional.conv2d(x, self.kernels(), stride=STRIDE) + self.bias


class LeNet1989(nn.Module):
    """Images (n, 1, 16, 16) in [−1, 1] to ten outputs, the right one near +1, the others near −1.

    squash: of H1, H2 and H3, and of the output, too, unless `bare`.
    """

    def __init__(self, squash: nn.Module | None = None, bare: bool = False) -> None:
        super().__init__()
        self.squash, self.bare = squash or ScaledTanh(), bare
        self.H1 = FeatureMaps(SEEN_BY_H1, SIDE)
        self.H2 = FeatureMaps(SEEN_BY_H2, SIDE // STRIDE)
        self.H3 = nn.Linear(self.H2.bias.numel(), HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)
        for layer in (self.H3, self.output):
            initialise(layer)

    def forward(self, x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n 10"]:
        """Raises ValueError for images of another size."""
        check_images(x, 1, SIDE)
        f = self.squash
        h2 = f(self.H2(f(self.H1(x))))
        o = self.output(f(self.H3(h2.flatten(1))))
        return o if self.bare else f(o)


def train_digit_by_digit(
    images: Small, labels: Labels, seed: int, passes: int, each_pass: Callable[[LeNet1989], None] = lambda network: None
) -> LeNet1989:
    """Train LeNet for some passes: a step of gradient descent per digit, in the same order in each pass.

    seed: of the initial weights and of the order. each_pass: called with the network after every pass.
    """
    network = build_seeded(LeNet1989, seed)
    by_hand, order = DigitByDigit(network), np.random.default_rng(seed).permutation(len(images))
    x, t = add_border(images[order]), targets(torch.tensor(labels[order])).numpy()
    for _ in range(passes):
        by_hand.one_pass(x, t, RATE)
        by_hand.write(network)
        each_pass(network)
    return network


def train_in_batches(
    network: nn.Module, images: Small, labels: Labels, training: Training, seed: int, *, augment: Callable | None = None
) -> nn.Module:
    """Train the network on images of 16×16 pixels by the loop of common/train.py."""
    inputs, answers = torch.from_numpy(images[:, None]), torch.tensor(labels)
    training(network, LabelledImages(inputs.to(training.device), answers.to(training.device), augment), seed)
    return network


def read_digits(network: nn.Module, images: Float32[np.ndarray, "n side side"]) -> Int[np.ndarray, "n"]:
    """The digit with the largest output."""
    return outputs(network, torch.from_numpy(images[:, None])).argmax(dim=1).numpy()


def error_rate(network: nn.Module, images: Small, labels: Labels) -> float:
    """The share of misclassified digits, in %."""
    read = read_digits(network, images)
    check_same_shape(read=read, labels=labels)
    return float(100 * np.mean(read != labels))


def reduction_errors(digits: Dataset, seed: int, passes: int) -> dict[str, float]:
    """The share of validation digits that LeNet misclassifies after a few passes, in %, for each reduction to 16×16."""
    train, validation = digits.split(0.2, seed)
    found = {}
    for name, reduce in REDUCTIONS.items():
        network = train_digit_by_digit(reduce(train.images), train.labels, seed, passes)
        found[name] = error_rate(network, reduce(validation.images), validation.labels)
    return found


def build_dense_rival() -> nn.Module:
    """256–36–10, with LeNet's activation and initialisation, and nearly its number of weights: 9622."""
    hidden, output = nn.Linear(SIDE**2, DENSE), nn.Linear(DENSE, CLASSES)
    for layer in (hidden, output):
        initialise(layer)
    return nn.Sequential(nn.Flatten(), hidden, ScaledTanh(), output, ScaledTanh())


def train_dense_rival(images: Small, labels: Labels, seed: int, epochs: int) -> nn.Module:
    """The dense rival, trained in batches with momentum."""
    optimiser = partial(torch.optim.SGD, momentum=MOMENTUM)
    training = Training(epochs, BATCH_RATE, BATCH, optimiser=optimiser, loss=squared_error, half=False)
    return train_in_batches(build_seeded(build_dense_rival, seed), images, labels, training, seed)


def build_rivals(run: Run, reduce: Callable) -> dict[str, Pipeline]:
    """Classical methods on rows of 256 pixels; their settings are chosen on training digits held out."""
    split = ShuffleSplit(1, test_size=0.2, random_state=run.seed)
    machine = make_pipeline(PCA(40, random_state=0), SVC(C=10))
    choices = {
        "nearest neighbours": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}),
        "RBF-SVM": (machine, {"svc__gamma": [0.01, 0.02, 0.04]}),
    }
    rows = FunctionTransformer(lambda images: reduce(images).reshape(len(images), -1))
    return {name: make_pipeline(rows, tuned(*how, run, scoring="accuracy", cv=split)) for name, how in choices.items()}


def share_to_reject(network: nn.Module, images: Small, labels: Labels, error: float = 0.01) -> float:
    """The share of digits in % that must be rejected to reach this error among the others.

    Digits are rejected in the order of the difference of their two largest outputs, the smallest first.
    """
    check_labels(labels, images.shape, CLASSES, ("labels", "images"))
    o = outputs(network, torch.from_numpy(images[:, None])).numpy()
    second, first = np.sort(o, axis=1)[:, -2:].T
    by_margin = np.argsort(second - first, kind="stable")
    wrong = np.cumsum((o.argmax(axis=1) != labels)[by_margin])
    enough = np.flatnonzero(wrong <= error * np.arange(1, len(labels) + 1))
    return float(100 * (1 - (enough.max(initial=-1) + 1) / len(labels)))


def lesson(run: Run) -> None:
    digits, passes = data.mnist(run.scale), run.pick(smoke=2, lecture=PASSES)
    trial = run.pick(smoke=1, lecture=TRIAL)
    tried = reduction_errors(digits, run.seed, trial)
    reduce = REDUCTIONS[choose(list(tried), list(tried.values()))]
    for name, error in tried.items():
        run.fact(f"validation error after {trial} passes, {name} reduced to 16×16", error, "%")
    train, test = digits.train, digits.test
    x, x_test, curves, reading = reduce(train.images), reduce(test.images), [], []

    def each_pass(network: LeNet1989) -> None:
        """Record errors for the picture, as in the paper; nothing is chosen by them."""
        begun = time.perf_counter()
        curves.append((error_rate(network, x, train.labels), error_rate(network, x_test, test.labels)))
        reading.append(time.perf_counter() - begun)

    with run.method("LeNet 1989", kind="deep") as method:
        network = method.model = method.time(train_digit_by_digit, x, train.labels, run.seed, passes, each_pass)
        method.fit_seconds -= sum(reading)  # the passes count, the curves of the picture do not
        read = method.score(test, predict=lambda images: read_digits(network, reduce(images)))
    with run.method("dense network", kind="deep") as method:
        other = method.model = method.time(train_dense_rival, x, train.labels, run.seed, passes)
        method.score(test, predict=lambda images: read_digits(other, reduce(images)))
    for name, rival in build_rivals(run, reduce).items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
    for name in ("dense network", "nearest neighbours", "RBF-SVM"):
        run.compare("LeNet 1989", name)
    run.floor("LeNet 1989", "accuracy", at_least=95.8)

    sizes = {name: count_layer(getattr(network, name)) for name in PAPER}
    assert sizes == PAPER, "not the network of the paper"
    whole = Size(*map(sum, zip(*sizes.values(), strict=True)))
    shared = sizes["H1"].connections + sizes["H2"].connections - sizes["H1"].units - sizes["H2"].units
    run.fact("units, those of the input included", whole.units + SIDE**2)
    run.fact("connections", whole.connections)
    run.fact("free parameters", whole.free)
    run.fact("connections that share their weight", 100 * shared / whole.connections, "%")
    run.fact("training error", curves[-1][0], "%")
    biases = [of.H1.bias.detach().numpy().ravel() for of in (build_seeded(LeNet1989, run.seed), network)]
    stayed = run.fact("correlation of the biases of H1 with their initial values", float(np.corrcoef(biases)[0, 1]))
    left = run.fact("digits to reject for 1 % errors", share_to_reject(network, x_test, test.labels), "%")
    run.figure(
        "passes",
        draw_passes,
        np.array(curves),
        (PAPER_TRAIN, PAPER_TEST),
        caption="Misclassified digits after every pass. Dashed: the paper's after 23 passes, on other, harder digits.",
    )
    run.figure(
        "digits",
        draw_readings,
        x_test,
        read,
        test.labels,
        caption="Test digits at 16×16 pixels. Above: classified correctly. Below: mistakes, predicted and true class.",
    )
    run.figure(
        "weights",
        draw_first_layer,
        *(parameter.detach().numpy() for parameter in (network.H1.weight[:, 0], network.H1.bias)),
        caption="The first layer after training. Above: the weights of its twelve maps. Below: the biases, one per "
        "unit, which are not shared. Blue: positive, red: negative.",
    )
    run.note(
        f"{whole.connections} connections, {whole.free} free parameters, as the paper counts: "
        f"{100 * shared / whole.connections:.0f} % of the connections share their weight. The biases of H1, which are "
        f"not shared, correlate by {stayed:.2f} with their initial values."
    )
    run.note(
        f"Test error {curves[-1][1]:.2f} % (paper: {PAPER_TEST:.2f} %), training error {curves[-1][0]:.2f} % (paper: "
        f"{PAPER_TRAIN:.2f} %). If the {left:.1f} % of the digits with the smallest margin are rejected, 1 % of the "
        f"others is misclassified (paper: {PAPER_REJECTED} %)."
    )
