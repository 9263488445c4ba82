"""Yet another digit classifier: a small modern network, and the best error that one minute on two cores buys.

Question   The network of 1989 took three days to learn its 7291 digits. How far does one minute reach today?
Method     Convolutions of 3×3 with BatchNorm, ReLU, residual blocks and maximum pooling (networks.py: Modern). AdamW
           with one cycle of the learning rate and smoothed labels, on digits moved anew each time; products in 16 bits
           where the processor is faster at them.
Rival      k nearest neighbours, and an RBF-SVM on 50 principal components that has a moved copy of every digit too.
Differs    Time is part of the question, so the number of epochs follows from the clock; what fewer of them give is
           measured on digits held out of the training part.
Costs      30 s on two cores, 14 of them for the network that is scored.
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

from ch05_cnn.recipes import DIGITS, as_rows, modern
from common import data, plots
from common.data import Images
from common.image_classifier import LabelledImages, Pixels
from common.run import Run
from common.train import Training, half_pays

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD_OUT = 1 / 5


def with_moved_copies(part: Images, seed: int) -> Images:
    """The images and one moved copy of each, in the poses that the network sees."""
    pixels, generator = torch.tensor(part.images)[:, None].float(), torch.Generator().manual_seed(seed)
    copies = DIGITS(pixels, generator)[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()
    return Images(np.concatenate([part.images, copies]), np.tile(part.labels, 2))


def images_per_second(run: Run, part: Images, half: bool) -> float:
    """How fast the network learns with products in 16 bits, or in 32: the second of two short epochs."""
    network = modern(run, "mnist", 1).build(1, 28)
    images = LabelledImages(Pixels.of(part.images)(part.images), torch.tensor(part.labels))
    return Training(2, half=half, device=run.device)(network, images).rate


def draw_epochs(epochs: list[int], errors: list[float], seconds: list[float]) -> Figure:
    """The error on held-out digits after trainings of several lengths, by the time that they took."""
    figure, axis = plots.panels(width=5.4, height=3.2)
    axis.plot(seconds, errors, "o-", color=plots.BLUE)
    for count, x, y in zip(epochs, seconds, errors, strict=True):
        label = f"{count} epoch" + "s" * (count > 1)
        axis.annotate(label, (x, y), textcoords="offset points", xytext=(6, 6), fontsize=9)
    axis.set(
        title="Every training runs through its whole cycle", xlabel="seconds", ylabel="error on held-out digits (%)"
    )
    axis.set(ylim=(0, 1.25 * max(errors)), xlim=(0, 1.25 * max(seconds)))
    return figure


def draw_mistakes(images: Images, said: Int[np.ndarray, "n"], count: int = 18) -> Figure:
    """The digits that were taken for another: what was said, and what they are."""
    wrong = np.flatnonzero(said != images.labels)[:count]
    titles = [f"{said[item]}, is {images.labels[item]}" for item in wrong]
    return plots.gallery(images.images[wrong], titles)


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    train, test = digits.train, digits.test
    few = train.take(slice(0, run.pick(smoke=128, lecture=1024)))
    single, half = (images_per_second(run, few, half) for half in (False, True))
    run.fact("speed in 16 bits over 32 bits", half / single)

    order = run.rng.permutation(len(train))
    held_out, left = (train.take(half) for half in np.split(order, [int(HELD_OUT * len(train))]))
    lengths, errors, seconds = run.pick(smoke=[1], lecture=[1, 3]), [], []
    for epochs in lengths:
        with run.method(f"{epochs} epochs, on held-out digits", kind="deep") as method:
            model = method.fit(modern(run, "mnist", len(left), epochs), left)
            errors.append(100 * float(np.mean(model.predict(held_out.images) != held_out.labels)))
            seconds.append(method.fit_seconds)
            run.fact(f"held-out error after {epochs} epochs", errors[-1], "%")

    with run.method("small modern network", kind="deep") as method:
        name = f"small modern network, mnist, {len(train)} images"
        method.fit_shared(name, lambda: modern(run, "mnist", len(train), checkpoint="modern"), train)
        said = method.score(test)
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
    run.fact("test error", 100 * float(np.mean(said != test.labels)), "%")
    run.fact("seconds of training", minute, "s")

    run.note(
        f"Products in 16 bits make an epoch {half / single:.1f} times as fast on this machine, "
        f"so training uses {'16' if half_pays(run.device) else '32'} bits."
    )
    run.figure(
        "epochs",
        draw_epochs,
        lengths,
        errors,
        seconds,
        caption="What longer trainings buy, on digits held out of the training part. Most of it comes in seconds.",
    )
    run.figure(
        "mistakes",
        draw_mistakes,
        test,
        said,
        caption="All test digits that the network gets wrong (18 at most): what it says, and what the writer meant.",
    )
