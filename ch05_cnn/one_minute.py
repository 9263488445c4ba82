"""Yet another digit classifier: a small modern network, and the lowest error that one minute on two cores buys.

Question   The network of 1989 took three days to learn its 7291 digits. How far does one minute reach today?
Method     Convolutions of 3×3 with BatchNorm, ReLU, residual blocks and maximum pooling (Modern, models/networks.py).
           AdamW with one cycle of the learning rate and label smoothing, on digits moved anew each time; products in 16
           bits if the processor is faster at them.
Rival      k nearest neighbours, and an RBF-SVM on 50 principal components with a moved copy of every digit, too.
Differs    Time is part of the question: seven epochs fit into a fraction of the minute.
Costs      17 s on two cores, 12 of them for the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from ch05_cnn.models.recipes import DIGITS, as_rows, modern
from common import data, plots
from common.data import Images
from common.image_classifier import LabelledImages, Pixels
from common.run import Run
from common.train import Training, half_pays, one_cycle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def with_moved_copies(part: Images, seed: int) -> Images:
    """The images and one moved copy of each, in the network's range of poses."""
    pixels, generator = torch.tensor(part.images)[:, None].float(), torch.Generator().manual_seed(seed)
    copies = DIGITS(pixels, generator)[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()
    return Images(np.concatenate([part.images, copies]), np.tile(part.labels, 2))


def training_speed(run: Run, part: Images, half: bool) -> float:
    """The network's training speed with products in 16 or 32 bits, in the second of two short epochs."""
    network = modern(run, "mnist", 1).build(1, 28)
    images = LabelledImages(Pixels.of(part.images)(part.images), torch.tensor(part.labels))
    return Training(2, half=half, device=run.device)(network, images).rate


def draw_mistakes(images: Images, predicted: Int[np.ndarray, "n"], count: int = 18) -> Figure:
    """The misclassified digits with the predicted and the true class."""
    wrong = np.flatnonzero(predicted != images.labels)[:count]
    titles = [f"{predicted[item]}, is {images.labels[item]}" for item in wrong]
    return plots.gallery(images.images[wrong], titles)


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    train, test = digits.train, digits.test
    few = train.take(slice(0, run.pick(smoke=128, lecture=1024)))
    single, half = (training_speed(run, few, half) for half in (False, True))
    run.fact("speed in 16 bits over 32 bits", half / single)

    with run.method("small modern network", kind="deep") as method:
        name = f"small modern network, mnist, {len(train)} images"
        model = method.fit_shared(name, lambda: modern(run, "mnist", len(train), checkpoint="modern"), train)
        predicted = method.score(test)
        minute = method.fit_seconds
    with run.method("k nearest neighbours", kind="classical") as method:
        method.fit(make_pipeline(FunctionTransformer(as_rows), KNeighborsClassifier(3)), train)
        method.score(test)
    with run.method("RBF-SVM, moved digits", kind="classical") as method:
        machine = make_pipeline(FunctionTransformer(as_rows), PCA(50, random_state=0), SVC(C=10, gamma=0.02))
        method.fit(machine, with_moved_copies(train, run.seed))
        method.score(test)
    for name in ("k nearest neighbours", "RBF-SVM, moved digits"):
        run.compare("small modern network", name)
    run.floor("small modern network", "accuracy", at_least=99.0)
    run.fact("test error", 100 * float(np.mean(predicted != test.labels)), "%")
    run.fact("seconds of training", minute, "s")

    run.note(
        f"Products in 16 bits make an epoch {half / single:.1f} times as fast on this machine, "
        f"so training uses {'16' if half_pays(run.device) else '32'} bits."
    )
    losses, epochs = model.history_.losses, model.history_.epochs
    run.figure(
        "training",
        plots.draw_training,
        losses,
        epochs,
        "cross-entropy of smoothed labels (nats)",
        [one_cycle(step / len(losses)) for step in range(len(losses))],
        caption="The loss of every step with its running mean, and the learning rate as a share of its peak.",
    )
    run.figure(
        "mistakes",
        draw_mistakes,
        test,
        predicted,
        caption="All test digits that the network gets wrong (18 at most): predicted and true class.",
    )
