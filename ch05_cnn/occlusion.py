"""Occlusion: cover a part of the picture; if the prediction changes, that part mattered.

Question   Does a prediction depend on the object or on its surroundings, and on the same places as a hand-crafted
           classifier's?
Method     Zeiler & Fergus 2014, "Occlusion Sensitivity": a grey square is moved over the picture, and for each of its
           places the class's probability and the most probable class are recorded. One np.where makes all copies.
Rival      On digits HOG and a linear SVM, covered in the same places; and the gradient's first-order prediction.
Differs    MobileNetV2 instead of the paper's network; photos of scikit-image, whose class is the network's own
           prediction for the whole photo. For digits the margin replaces the probability: it doesn't saturate, and an
           SVM has one.
Costs      9 s on two cores; once a download of 14 MB, not at smoke.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from torch import nn

from ch05_cnn.drawings.occlusion import draw_digit_maps, draw_photo
from ch05_cnn.models.networks import LeNet5
from common import data
from common.answers import check_labels, check_same_shape
from common.data import Images, weights
from common.features.hog import HOG
from common.image_classifier import ImageClassifier, in_chunks
from common.run import Run
from common.train import Training

PHOTOS = ("cat", "coffee")
SIDE, SQUARE, STEP = 224, 80, 16  # of a photo; of the square on it; of the step between places; in pixels
DIGIT_SQUARE, DIGIT_STEP = 7, 3
HOUSE_CATS = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")

Masks = Bool[np.ndarray, "rows columns side side"]
Maps = Float[np.ndarray, "n rows columns"]


def make_masks(side: int, size: int, step: int) -> Masks:
    """A mask for every place of a size × size square within the picture.

    Raises ValueError for a square larger than the picture.
    """
    if size > side:
        raise ValueError(f"a square of {size} pixels does not fit into a picture of {side}")
    first = np.arange(0, side - size + 1, step)[:, None]
    inside = (np.arange(side) >= first) & (np.arange(side) < first + size)
    return inside[:, None, :, None] & inside[None, :, None, :]


def cover(
    images: Shaped[np.ndarray, "n side side *channels"],
    masks: Masks,
    fill: Shaped[np.ndarray, "*channels"] | float,
) -> Shaped[np.ndarray, "copies side side *channels"]:
    """Every image under every mask, with fill in place of masked pixels. Copies run over (image, row, column).

    Raises ValueError for a fill that pixels of this kind can't have, such as ½ among bytes.
    """
    filled = np.asarray(fill).astype(images.dtype)
    if not np.array_equal(filled, fill) and images.dtype.kind != "f":
        raise ValueError(f"pixels of {images.dtype} can't be filled with {fill}")
    masks = masks.reshape(1, *masks.shape, *[1] * (images.ndim - 3))
    copies = np.where(masks, filled, images[:, None, None])
    return copies.reshape(-1, *images.shape[1:])


def compute_margins(
    scores: Float[np.ndarray, "*n classes"], labels: Shaped[np.ndarray, "..."]
) -> Float[np.ndarray, "*n"]:
    """The right class's score minus the best other one's: below 0 the prediction is wrong.

    Raises ValueError for labels that don't belong to the scores.
    """
    rows = scores.reshape(-1, scores.shape[-1])
    if labels.shape != scores.shape[:-1]:
        raise ValueError(f"labels have shape {labels.shape}, scores {scores.shape}: there must be a label for each row")
    labels = check_labels(labels.ravel(), rows.shape, rows.shape[1], ("labels", "scores")).reshape(labels.shape)
    right = np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    others = np.where(np.arange(scores.shape[-1]) == labels[..., None], -np.inf, scores)
    return right - others.max(axis=-1)


def margin_maps(scores: Callable, part: Images, masks: Masks, fill: int) -> Maps:
    """The margin of every image under every mask. scores: of images, one column per class; higher is more probable."""
    labels = np.repeat(part.answers, masks.shape[0] * masks.shape[1])
    found = compute_margins(np.asarray(scores(cover(part.inputs, masks, fill)), float), labels)
    return found.reshape(len(part), *masks.shape[:2])


def correlate_maps(a: Maps, b: Float[np.ndarray, "..."]) -> float:
    """The mean over images of the correlation of two maps. An image whose map is flat does not count."""
    check_same_shape(a=a, b=b)
    a, b = (maps.reshape(len(maps), -1) - maps.mean(axis=(1, 2))[:, None] for maps in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1)[lengths > 0] / lengths[lengths > 0]))


def remove_line(maps: Maps, given: Maps) -> Maps:
    """What is left of each map without its least-squares line in `given`: residuals, whose correlation is partial."""
    maps, given = (each - each.mean(axis=(1, 2), keepdims=True) for each in (maps, given))
    slope = (maps * given).sum(axis=(1, 2)) / np.square(given).sum(axis=(1, 2))
    return maps - slope[:, None, None] * given


def crop_photo(name: str) -> UInt8[np.ndarray, "224 224 3"]:
    """The middle of a photo, the largest square, at MobileNetV2's training size."""
    from skimage.transform import resize

    photo = data.photo(name)
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = resize(photo[top : top + side, left : left + side], (SIDE, SIDE), anti_aliasing=True)
    return (255 * middle).round().astype(np.uint8)


def predict_fall(
    network: nn.Module,
    photo: UInt8[np.ndarray, "224 224 3"],
    answer: int,
    masks: Masks,
) -> Float[np.ndarray, "rows columns"]:
    """The fall of the predicted class's score under each mask, to first order: Σ x ∂y/∂x over its pixels.

    Pixels are standardised, so that the mean grey is 0.
    """
    pixels = weights.imagenet_inputs(photo[None]).requires_grad_()
    (slope,) = torch.autograd.grad(network(pixels)[0, answer], pixels)
    return np.tensordot(masks, (slope * pixels.detach())[0].sum(0).double().numpy(), axes=2)


def occlude_photos(run: Run) -> None:
    """Run MobileNetV2 on photos under a grey square."""
    network = weights.mobilenet_v2_or_none(run.scale, run.note)
    if network is None:
        return
    masks, names = make_masks(SIDE, SQUARE, STEP), weights.imagenet_classes()
    for name in PHOTOS:
        photo = crop_photo(name)
        copies = np.concatenate([photo[None], cover(photo[None], masks, weights.imagenet_grey())])
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
        run.fact(f"{name}: the class under the worst square is that of the whole photo", float(there == answer))
        flips = run.fact(f"{name}: squares, of {best.size}, that change the class", int(np.sum(best != answer)))
        changed = f"a place that changes the class, one of {flips:.0f} of {best.size} (white frames)"
        changed = changed if flips else f"the photo, for none of the {best.size} places changes the class"
        fallen = (scores[0, answer] - scores[1:, answer]).double().numpy().reshape(masks.shape[:2])
        run.fact(
            f"{name}: correlation of the score's fall with the gradient's prediction",
            correlate_maps(fallen[None], predict_fall(network, photo, answer, masks)[None]),
        )
        run.figure(
            name,
            draw_photo,
            photo,
            maps.max(axis=-1),
            best,
            maps[..., answer],
            names=names,
            answer=names[answer],
            square=(SQUARE, STEP),
            grey=weights.imagenet_grey(),
            caption=f"A grey square of {SQUARE} pixels covers a part of a photo of {SIDE}. Left: the place where the "
            f"probability of the whole photo's class is lowest, {lowest:.0f} %. Middle: that probability for every "
            f"place of the square. Right: {changed}.",
        )


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    part = digits.test.take(slice(run.pick(smoke=20, lecture=300)))
    masks = make_masks(28, DIGIT_SQUARE, DIGIT_STEP)
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
                method.score_items(
                    f"correct under every {colour} square", stands, part, unit="%", higher_is_better=True
                )
    for colour in ("black", "grey"):
        run.compare(*models, f"correct under every {colour} square")

    run.floor("LeNet-5", "accuracy", at_least=96.9)

    twin = ImageClassifier(LeNet5, training, seed=run.seed + 1000).fit(digits.train.inputs, digits.train.answers)
    maps["LeNet-5 of another seed"] = margin_maps(twin.decision_function, part, masks, 0)
    ink = -np.tensordot(part.inputs.astype(float), masks, axes=([1, 2], [2, 3]))
    same = {}
    for name, others in {**maps, "the covered ink": ink}.items():
        if name != "LeNet-5":
            same[name] = run.fact(f"correlation with LeNet-5's map, {name}", correlate_maps(maps["LeNet-5"], others))
    run.fact("correlation with the covered ink, HOG + linear SVM", correlate_maps(maps["HOG + linear SVM"], ink))
    given_ink = correlate_maps(*(remove_line(maps[name], ink) for name in models))
    run.fact("partial correlation of LeNet-5's and HOG + linear SVM's maps, given the covered ink", given_ink)
    if not run.first:
        return

    if run.scale.preset != "smoke":  # photos take seconds
        occlude_photos(run)
    shown = digits.test.take([int(np.flatnonzero(digits.test.answers == digit)[0]) for digit in (1, 2, 3, 4, 7, 9)])
    everywhere, whole = make_masks(28, DIGIT_SQUARE, 1), np.zeros((1, 1, 28, 28), bool)
    drops = {
        name: margin_maps(model.decision_function, shown, whole, 0)
        - margin_maps(model.decision_function, shown, everywhere, 0)
        for name, model in models.items()
    }
    run.figure(
        "digits",
        draw_digit_maps,
        shown.inputs,
        drops,
        caption=f"How far the margin falls if a black square of {DIGIT_SQUARE} pixels is centred there: red where it "
        "falls, blue where it rises; the line is the digit's outline.",
    )
    black = {name: turned[name, "black"] for name in models}
    run.note(
        f"With one black square of {DIGIT_SQUARE}×{DIGIT_SQUARE} pixels at its worst place, LeNet-5 misclassifies "
        f"{black['LeNet-5']:.0f} % of the digits and HOG with an SVM {black['HOG + linear SVM']:.0f} %. LeNet-5's "
        f"occlusion maps correlate by {same['HOG + linear SVM']:.2f} with HOG's, by {same['the covered ink']:.2f} with "
        f"the covered ink, and by {same['LeNet-5 of another seed']:.2f} with another seed's LeNet-5."
    )
