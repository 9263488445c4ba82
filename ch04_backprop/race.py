"""The multilayer perceptron against the classical rivals, on as many digits as LeCun had in 1989.

Question   All results of the last lessons are combined in one network. Is it better than methods that need none of it?
Method     784–256–128–10 with ReLU, He's initialisation, momentum and one cycle of the learning rate; dropout, with or
           without BatchNorm, as chosen on held-out training digits. Then the same with digits that are moved each time.
Rival      Logistic regression, k nearest neighbours, a random forest, an RBF-SVM on 50 principal components, tuned on
           held-out digits too; the SVM with a moved copy of each digit (Schölkopf et al. 1996: of each support vector).
Differs    In the lecture, deep learning wins by scale. Here are 7291 digits and two cores.
Costs      36 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.moves import Moves
from ch04_backprop.dropout import Dropout
from ch04_backprop.layers import Layer, Network, ReLU
from ch04_backprop.networks.training import Pixels, accuracy, by_momentum, mlp, predict
from common import data, plots
from common.data import Images
from common.run import Run
from common.tuning import choose, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (784, 256, 128, 10)
LEARNING_RATE, HELD_OUT = 0.05, 1 / 7
MOVES = Moves(shift=1.5, angle=10.0)
HIDDEN: dict[str, Callable] = {
    "ReLU + dropout": lambda units, rng: [ReLU(), Dropout(0.2, rng)],
    "BatchNorm + ReLU + dropout": lambda units, rng: [BatchNorm(units), ReLU(), Dropout(0.2, rng)],
}


def train_perceptron(
    part: Images, pixels: Pixels, hidden: str, seed: int, *, moves: Moves | None, epochs: int
) -> Network:
    """Train the perceptron with these hidden layers for `epochs` epochs of the part."""
    rng = np.random.default_rng(seed)

    def layers(units: int) -> list[Layer]:
        return HIDDEN[hidden](units, rng)

    network = mlp(SIZES, rng, layers)
    by_momentum(LEARNING_RATE, epochs, augment=moves)(network, pixels(part.images), part.labels, rng)
    return network


def choose_and_train(part: Images, pixels: Pixels, seed: int, **how: Any) -> Network:
    """Choose the hidden layers that are best on digits held out of the part; then train again on all of it."""
    order = np.random.default_rng(seed).permutation(len(part))
    held_out, left = (part.take(half) for half in np.split(order, [int(HELD_OUT * len(part))]))
    x, answers = pixels(held_out.images), held_out.labels

    def held_out_accuracy(hidden: str) -> float:
        return accuracy(train_perceptron(left, pixels, hidden, seed, **how), x, answers)

    best = choose(list(HIDDEN), [held_out_accuracy(hidden) for hidden in HIDDEN], highest=True)
    return train_perceptron(part, pixels, best, seed, **how)


def rows(images: UInt8[np.ndarray, "n height width"]) -> Float[np.ndarray, "n pixels"]:
    """Images as rows of numbers from 0 to 1."""
    return images.reshape(len(images), -1) / 255.0


def kernel_machine() -> Pipeline:
    """An RBF-SVM on 50 principal components: ten times as fast as on 784 pixels, and slightly better."""
    return make_pipeline(PCA(50, random_state=0), SVC(C=10))


def rivals(run: Run) -> dict[str, Any]:
    """The rivals by name, each chooses its settings on digits held out of its training part."""
    split = ShuffleSplit(1, test_size=HELD_OUT, random_state=run.seed)
    trees = RandomForestClassifier(run.pick(smoke=20, lecture=100), random_state=run.seed)
    choices = {
        "logistic regression": (LogisticRegression(tol=1e-3, max_iter=300), {"C": [0.02, 0.1]}),
        "k nearest neighbours": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}),
        "random forest": (trees, {"max_features": ["sqrt", 0.1]}),
        "RBF-SVM": (kernel_machine(), {"svc__gamma": [0.01, 0.02, 0.03]}),
    }
    return {
        name: make_pipeline(FunctionTransformer(rows), tuned(model, grid, run, scoring="accuracy", cv=split))
        for name, (model, grid) in choices.items()
    }


def with_moved_copies(part: Images, seed: int) -> Images:
    """The images, and one moved copy of each."""
    flat = part.images.reshape(len(part), -1).astype(np.float32)
    copies = MOVES(flat, np.random.default_rng(seed)).reshape(part.images.shape).round().astype(np.uint8)
    return Images(np.concatenate([part.images, copies]), np.tile(part.labels, 2))


def draw_mistakes(images: Images, predicted: Int[np.ndarray, "n"], count: int = 12) -> Figure:
    """Misclassified digits with the predicted and the true class."""
    wrong = np.flatnonzero(predicted != images.labels)[:count]
    figure, axes = plots.panels(6, -(-count // 6), width=1.15, height=1.45)
    for axis in axes.flat:
        axis.axis("off")
    for axis, item in zip(axes.flat, wrong, strict=False):
        axis.imshow(255 - images.images[item])
        axis.set_title(f"{predicted[item]}, is {images.labels[item]}", fontsize=9)
    return figure


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    train, test, pixels = digits.train, digits.test, Pixels.of(digits.train.images)
    epochs = run.pick(smoke=1, lecture=15)
    ours = "multilayer perceptron"
    networks = {ours: None, f"{ours}, moved digits": MOVES}
    for name, moves in networks.items():
        with run.method(name, kind="from scratch") as method:
            network = method.model = method.time(choose_and_train, train, pixels, run.seed, moves=moves, epochs=epochs)
            method.score(test, predict=lambda images, network=network: predict(network, pixels(images)))
    for name, rival in rivals(run).items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
    with run.method("RBF-SVM, moved digits", kind="classical") as method:
        settings = run.methods["RBF-SVM"].model[-1].best_params_
        machine = make_pipeline(FunctionTransformer(rows), kernel_machine().set_params(**settings))
        method.fit(machine, with_moved_copies(train, run.seed))
        method.score(test)
    for name in ("logistic regression", "k nearest neighbours", "random forest", "RBF-SVM"):
        run.compare(ours, name)
    run.compare(f"{ours}, moved digits", "RBF-SVM, moved digits")
    run.compare(f"{ours}, moved digits", ours)
    run.floor(ours, "accuracy", at_least=96.1)
    run.floor("RBF-SVM", "accuracy", at_least=97.2)
    run.figure(
        "mistakes",
        draw_mistakes,
        test,
        run.methods[f"{ours}, moved digits"].predictions,
        caption="Test digits that the multilayer perceptron, trained on moved digits, gets wrong: predicted and true "
        "class.",
    )
    right, moved = (
        [100 * np.mean(run.methods[name + which].predictions == test.labels) for name in (ours, "RBF-SVM")]
        for which in ("", ", moved digits")
    )
    run.note(
        f"On rows of 784 numbers: network {right[0]:.1f} %, SVM {right[1]:.1f} %. With moved digits: {moved[0]:.1f}, "
        f"{moved[1]:.1f} %. Neither method uses which pixels are neighbours; chapter 5's networks do."
    )
