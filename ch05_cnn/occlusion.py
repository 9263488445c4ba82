"""Occlusion: cover a part of the picture; if the prediction changes, that part mattered.

Question   Does a prediction depend on the object or on its surroundings, and on the same places as a hand-crafted
           classifier's?
Method     Zeiler & Fergus 2014, "Occlusion Sensitivity": a grey square is moved over the picture, and for each place of
           it the class's probability and the most probable class are recorded (covered_copies.py).
Rival      On digits HOG and a linear SVM, covered in the same places; and the gradient's first-order prediction.
Differs    MobileNetV2 instead of the paper's network; photos of scikit-image, whose class is the network's own answer
           to the whole photo. For digits the margin takes the place of the probability: it doesn't saturate, and an
           SVM has one.
Costs      14 s on two cores; once a download of 14 MB, not at smoke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from torch import nn

from ch05_cnn.covered_copies import Maps, Masks, agreement, covered, margin_maps, squares
from ch05_cnn.networks import LeNet5
from common import data, plots
from common.data import weights
from common.features.hog import HOG
from common.image_classifier import ImageClassifier, in_chunks
from common.run import Run
from common.train import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHOTOS = ("cat", "coffee")
SIDE, SQUARE, STEP = (
    224,
    80,
    16,
)  # of a photo, of the square on it, and from one place of the square to the next; pixels
DIGIT_SQUARE, DIGIT_STEP = 7, 3
HOUSE_CATS = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")


def square_photo(name: str) -> UInt8[np.ndarray, "224 224 3"]:
    """The middle of a photo, as large a square as there is, at the size that MobileNetV2 was trained on."""
    from skimage.transform import resize

    photo = data.photo(name)
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = resize(photo[top : top + side, left : left + side], (SIDE, SIDE), anti_aliasing=True)
    return (255 * middle).round().astype(np.uint8)


def foretold(
    network: nn.Module,
    photo: UInt8[np.ndarray, "224 224 3"],
    answer: int,
    masks: Masks,
) -> Float[np.ndarray, "rows columns"]:
    """By how much the answer's score falls under each mask, to first order: Σ x ∂y/∂x over its pixels.

    Standardised pixels: under the mean grey they are 0.
    """
    pixels = weights.imagenet_inputs(photo[None]).requires_grad_()
    (slope,) = torch.autograd.grad(network(pixels)[0, answer], pixels)
    return np.tensordot(masks, (slope * pixels.detach())[0].sum(0).double().numpy(), axes=2)


def draw_photo(
    photo: UInt8[np.ndarray, "224 224 3"],
    probability: Float[np.ndarray, "rows columns"],
    best: Int[np.ndarray, "rows columns"],
    names: tuple[str, ...],
    answer: str,
) -> Figure:
    """The photo and its worst square; the answer's probability, by the place of the square's middle; the best class."""
    from matplotlib import colormaps
    from matplotlib.patches import Patch, Rectangle

    figure, (plain, heat, classes) = plots.panels(3, width=3.3, height=3.3)
    row, column = np.unravel_index(probability.argmin(), probability.shape)
    plain.imshow(photo[::2, ::2], extent=(0, SIDE, SIDE, 0))
    grey = weights.imagenet_grey() / 255
    plain.add_patch(Rectangle((column * STEP, row * STEP), SQUARE, SQUARE, color=tuple(grey), linewidth=0))
    plain.set(title="The worst place")
    ends = SQUARE / 2 - STEP / 2, SQUARE / 2 - STEP / 2 + STEP * len(probability)
    tenths = int(10 * probability.min())  # a colour for every tenth that occurs
    colours = colormaps["viridis"].resampled(10 - tenths)
    picture = heat.imshow(probability, extent=(*ends, *ends[::-1]), vmin=tenths / 10, vmax=1, cmap=colours)
    heat.set(title=f"P({answer})")
    figure.colorbar(picture, ax=heat, shrink=0.75)
    found, number = np.unique(best, return_inverse=True)
    palette = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in plots.CYCLE], np.uint8)
    classes.imshow(palette[number.reshape(best.shape) % len(palette)], extent=(*ends, *ends[::-1]))
    patches = [Patch(color=plots.CYCLE[i % len(plots.CYCLE)], label=names[k]) for i, k in enumerate(found)]
    classes.legend(handles=patches, loc="upper left", fontsize=8)
    classes.set(title="Most probable class")
    for axis in (heat, classes):
        axis.imshow(photo[::4, ::4], extent=(0, SIDE, SIDE, 0), alpha=0.3, zorder=-1)
    for axis in (plain, heat, classes):
        axis.set(xlim=(0, SIDE), ylim=(SIDE, 0), xticks=[], yticks=[])
        axis.grid(False)
    return figure


def draw_digits(images: UInt8[np.ndarray, "n side side"], drops: dict[str, Maps]) -> Figure:
    """Digits, and below each how far its margin falls under a square around each place, by classifier."""
    figure, axes = plots.panels(len(images), 1 + len(drops), width=1.3, height=1.4)
    ends = (DIGIT_SQUARE - 1) / 2 - 0.5, 28 - (DIGIT_SQUARE - 1) / 2 - 0.5
    for i, image in enumerate(images):
        axes[0, i].imshow(image)
        for axis, maps in zip(axes[1:, i], drops.values(), strict=True):
            limit = np.abs(maps[i]).max()
            axis.imshow(image, alpha=0.25, cmap="gray_r")
            axis.imshow(maps[i], extent=(*ends, *ends[::-1]), cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.85)
            axis.set(xlim=(-0.5, 27.5), ylim=(27.5, -0.5))
    for axis, name in zip(axes[:, 0], ("digit", *drops), strict=True):
        axis.set_ylabel(name, fontsize=8.5)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure


def photos(run: Run) -> None:
    """MobileNetV2 on photos under a grey square."""
    network = weights.mobilenet_v2_or_none(run.scale, run.note)
    if network is None:
        return
    masks, names = squares(SIDE, SQUARE, STEP), weights.imagenet_classes()
    for name in PHOTOS:
        photo = square_photo(name)
        copies = np.concatenate([photo[None], covered(photo[None], masks, weights.imagenet_grey())])
        scores = torch.cat(list(in_chunks(network, weights.imagenet_inputs(copies), 25)))
        answer, probabilities = int(scores[0].argmax()), scores.softmax(dim=1).numpy()
        maps = probabilities[1:].reshape(*masks.shape[:2], -1)
        run.fact(f"probability of {names[answer]}, whole photo", 100 * probabilities[0, answer], "%")
        lowest = run.fact(f"probability of {names[answer]}, lowest under a square", 100 * maps[..., answer].min(), "%")
        if names[answer] in HOUSE_CATS:
            cats = [names.index(cat) for cat in HOUSE_CATS]
            run.fact(
                "probability of any house cat, lowest under a square", 100 * maps[..., cats].sum(axis=-1).min(), "%"
            )
        best = maps.argmax(axis=-1)
        there = int(best.ravel()[maps[..., answer].argmin()])
        run.fact(f"class at the worst place is still that of the whole photo, {name}", float(there == answer))
        flips = run.fact(f"places of {best.size} where the class is another one, {name}", int(np.sum(best != answer)))
        fallen = (scores[0, answer] - scores[1:, answer]).double().numpy().reshape(masks.shape[:2])
        run.fact(
            f"correlation of the fall with the gradient's forecast, {name}",
            agreement(fallen[None], foretold(network, photo, answer, masks)[None]),
        )
        run.figure(
            name,
            draw_photo,
            photo,
            maps[..., answer],
            best,
            names,
            names[answer],
            caption=f"A grey square of {SQUARE} pixels on a photo of {SIDE}. In the middle the class's probability if "
            f"the square is centred there. Left: the worst place, where it falls to {lowest:.0f} % and the most "
            f"probable class is {names[there]}. Right: the most probable class; at {flips:.0f} of {best.size} "
            "places it is another one.",
        )


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    part = digits.test.take(slice(run.pick(smoke=20, lecture=300)))
    masks = squares(28, DIGIT_SQUARE, DIGIT_STEP)
    training = Training(run.pick(smoke=1, lecture=3), learning_rate=0.004, device=run.device)
    models = {
        "LeNet-5": ImageClassifier(LeNet5, training, seed=run.seed),
        "HOG + linear SVM": make_pipeline(HOG(pixels_per_cell=(4, 4)), LinearSVC(C=0.1, random_state=run.seed)),
    }
    maps, turned, grey = {}, {}, round(float(digits.train.inputs.mean()))
    for name, model in models.items():
        with run.method(name, kind="deep" if name == "LeNet-5" else "classical") as method:
            method.fit(model, digits.train)
            method.score(digits.test)
            maps[name] = margin_maps(model.decision_function, part, masks, 0)
            worst = {"black": maps[name], "grey": margin_maps(model.decision_function, part, masks, grey)}
            for colour, found in worst.items():
                stands = 100.0 * (found.min(axis=(1, 2)) > 0)
                turned[name, colour] = 100 - stands.mean()
                method.score_items(f"right under every {colour} square", stands, part, unit="%", higher_is_better=True)
    for colour in ("black", "grey"):
        run.compare(*models, f"right under every {colour} square")

    run.floor("LeNet-5", "accuracy", at_least=96.9)

    twin = ImageClassifier(LeNet5, training, seed=run.seed + 1000).fit(digits.train.inputs, digits.train.answers)
    maps["LeNet-5 of another seed"] = margin_maps(twin.decision_function, part, masks, 0)
    ink = -np.tensordot(part.inputs.astype(float), masks, axes=([1, 2], [2, 3]))
    same = {}
    for name, others in {**maps, "the ink that is covered": ink}.items():
        if name != "LeNet-5":
            same[name] = run.fact(f"correlation with LeNet-5's map, {name}", agreement(maps["LeNet-5"], others))
    if not run.first:
        return

    if run.scale.preset != "smoke":  # photos take seconds
        photos(run)
    shown = digits.test.take([int(np.flatnonzero(digits.test.answers == digit)[0]) for digit in (1, 2, 3, 4, 7, 9)])
    everywhere, whole = squares(28, DIGIT_SQUARE, 1), np.zeros((1, 1, 28, 28), bool)
    drops = {
        name: margin_maps(model.decision_function, shown, whole, 0)
        - margin_maps(model.decision_function, shown, everywhere, 0)
        for name, model in models.items()
    }
    run.figure(
        "digits",
        draw_digits,
        shown.inputs,
        drops,
        caption=f"How far the margin falls if a black square of {DIGIT_SQUARE} pixels is centred there: red where it "
        "falls, blue where it rises.",
    )
    black = {name: turned[name, "black"] for name in models}
    run.note(
        f"One black square of {DIGIT_SQUARE}×{DIGIT_SQUARE} pixels in its worst place turns {black['LeNet-5']:.0f} % "
        f"of the digits for LeNet-5 and {black['HOG + linear SVM']:.0f} % for HOG with an SVM. LeNet-5's maps of what "
        f"matters correlate by {same['HOG + linear SVM']:.2f} with HOG's, by {same['the ink that is covered']:.2f} "
        f"with the ink that is covered, and by {same['LeNet-5 of another seed']:.2f} with another seed's LeNet-5."
    )
