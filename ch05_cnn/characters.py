"""Characters as vectors, characters as images: what does a network gain by knowing which pixels are neighbours?

Question   To a fully connected network a digit is 784 numbers in any order; to a convolutional one it is an image. With
           nearly equal numbers of parameters, which recognises more digits, also if they are shifted a little? And is
           the neighbourhood structure the reason?
Method     Dense: 784–78–10. Convolutional: LeNet-5 (LeCun et al. 1998, §II.B). Both are trained on upright digits; then
           the test digits are shifted by 1 to 4 pixels. Then both are trained anew on digits with permuted pixels, the
           same permutation for all: no information is lost, except which pixels were neighbours.
Rival      The nearest neighbour by the distance between pixels, which does not depend on their order either.
Differs    The learning rate (of 0.001, 0.003, 0.01) and the number of neighbours (of 1, 3, 5) were chosen beforehand on
           a seventh of the training digits, without shifts. One rate was the best for both networks; with permuted
           pixels the dense network was better at all three rates.
Costs      12 s on two cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from ch05_cnn.drawings.characters import draw_digit_rows, draw_structure
from ch05_cnn.models.networks import CLASSES, LeNet5
from common import data
from common.claims import beats, level
from common.data import Images
from common.image_classifier import ImageClassifier
from common.model_size import model_size
from common.run import Run
from common.train import Training

Grey = UInt8[np.ndarray, "n side side"]

UNITS = 78  # 785·78 + 79·10 = 62,020 parameters, 0.5 % more than LeNet-5's 61,706
LEARNING_RATE, EPOCHS, NEIGHBOURS = 0.01, 6, 1
SHIFTS = (0, 1, 2, 3, 4)  # pixels; MNIST leaves a margin of four
DIRECTIONS = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])  # down, up, right, left
DENSE, CONVOLUTIONAL, NEAREST = "dense network", "convolutional network", "nearest neighbour"
SHIFTED = "accuracy, shifted by 2 pixels"
KINDS = {DENSE: "deep", CONVOLUTIONAL: "deep", NEAREST: "classical"}


def build_dense(channels: int, side: int) -> nn.Sequential:
    """A network with one hidden layer over all pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, UNITS), nn.ReLU(), nn.Linear(UNITS, CLASSES))


def make_classifier(name: str, seed: int, epochs: int = EPOCHS, device: Any = "cpu") -> ImageClassifier | Pipeline:
    """The unfitted network or rival of this name."""
    if name == NEAREST:
        rows = FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255.0)
        return make_pipeline(rows, KNeighborsClassifier(NEIGHBOURS))
    build = {DENSE: build_dense, CONVOLUTIONAL: LeNet5}[name]
    return ImageClassifier(build, Training(epochs, LEARNING_RATE, device=device), seed=seed)


def shift(images: Grey, moves: Int[np.ndarray, "n 2"]) -> Grey:
    """Shift each image by its own number of pixels, (down, right); pixels that enter are black."""
    n, side, _ = images.shape
    margin = int(np.abs(moves).max(initial=0))
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
    rows, columns = ((margin - moves[:, axis, None] + np.arange(side)) for axis in (0, 1))
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def permute(part: Images, order: Int[np.ndarray, "pixels"]) -> Images:
    """The part with the pixels of every image permuted to this order."""
    pixels = part.images.reshape(len(part), -1)[:, order]
    return Images(pixels.reshape(part.images.shape), part.labels, part.ids)


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    train, test = digits.train, digits.test
    order = run.rng.permutation(train.images[0].size)
    directions = DIRECTIONS[run.rng.integers(len(DIRECTIONS), size=len(test))]
    moved = {pixels: shift(test.images, pixels * directions) for pixels in SHIFTS}
    settings = run.seed, run.pick(smoke=1, lecture=EPOCHS), run.device

    by_shift: dict[str, list[float]] = {}
    for name, kind in KINDS.items():
        with run.method(name, kind=kind) as method:
            model = method.fit(make_classifier(name, *settings), train)
            correct = [method.score(test) == test.labels]
            correct += [model.predict(moved[pixels]) == test.labels for pixels in SHIFTS[1:]]
            method.score_items(SHIFTED, 100.0 * correct[2], test, unit="%", higher_is_better=True)
            by_shift[name] = [100 * float(np.mean(right)) for right in correct]
    errors = {}
    for name, kind in KINDS.items():
        with run.method(f"{name}, permuted", kind=kind) as method:
            method.fit(make_classifier(name, *settings), permute(train, order))
            right = method.score(permute(test, order)) == test.labels
            errors[name] = 100 - by_shift[name][0], 100 * float(np.mean(~right))

    for name in (DENSE, CONVOLUTIONAL):
        run.fact(f"{name}: parameters", model_size(run.methods[name].model))
    run.compare(CONVOLUTIONAL, DENSE)
    run.compare(CONVOLUTIONAL, DENSE, metric=SHIFTED)
    run.compare(f"{DENSE}, permuted", f"{CONVOLUTIONAL}, permuted")
    run.compare(f"{DENSE}, permuted", DENSE)
    run.compare(CONVOLUTIONAL, f"{CONVOLUTIONAL}, permuted")
    run.floor(CONVOLUTIONAL, "accuracy", at_least=97.4)
    run.floor(DENSE, "accuracy", at_least=94.9)
    few = slice(10)
    shown = {"not shifted": test.images[few], "shifted by 4": moved[4][few]}
    run.figure(
        "digits",
        draw_digit_rows,
        shown | {"permuted": permute(test.take(few), order).images},
        caption="Test digits; the same, each moved by four pixels up, down, left or right; the same, with their pixels "
        "in another order. A dense network that learns from the third row has the same task as with the first.",
    )
    run.figure(
        "structure",
        draw_structure,
        SHIFTS,
        by_shift,
        errors,
        caption="The first seed. Left: accuracy by the shift of the test digits. Right: test error with all pixels in "
        "place (dark), and with the pixels of all digits in one other order (light).",
    )
    (in_place, out_of_place), (dense_in, dense_out) = errors[CONVOLUTIONAL], errors[DENSE]
    run.note(
        f"Test error, pixels in place: dense {dense_in:.1f} %, convolutional {in_place:.1f} %. Pixels permuted: "
        f"{dense_out:.1f} % and {out_of_place:.1f} %."
    )
    run.claim(
        "With permuted pixels the convolutional network loses its lead; the dense one is not significantly different. "
        "What a convolution uses is which pixels are neighbours.",
        beats(CONVOLUTIONAL, DENSE),
        beats(f"{DENSE}, permuted", f"{CONVOLUTIONAL}, permuted"),
        level(f"{DENSE}, permuted", DENSE),
    )
    run.note(
        f"Digits shifted by 2 pixels: {DENSE} {by_shift[DENSE][2]:.0f} %, {CONVOLUTIONAL} "
        f"{by_shift[CONVOLUTIONAL][2]:.0f} %, {NEAREST} {by_shift[NEAREST][2]:.0f} % right. The output of a "
        "convolution moves along with its image; the dense layers after it are tied to fixed places."
    )
