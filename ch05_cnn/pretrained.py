"""A network trained on 1.2 million photos classifies a cat, an espresso, and a galaxy, for which it has no class.

Question   What does a trained network predict for new photos: of its classes, changed, and of things without a class?
Method     MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov & Chen 2018) with torchvision's weights, which were trained on
           ImageNet's 1000 classes (Russakovsky et al. 2015). A photo is scaled to a shorter side of 256 pixels, its
           middle square of 224 is cut out, and the softmax is read.
Rival      None on these photos: no hand-crafted method comes near on 1000 classes. On tiny ones, see `transfer`.
Differs    Nothing is trained. The weights, 14 MB, are downloaded once; without them the lesson says so and ends. That
           texture counts for more than shape is a finding of Geirhos et al. 2019; one cat and one blur only illustrate
           it.
Costs      1 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import nn

from ch05_cnn.drawings.pretrained import draw_answers, draw_changes, draw_yours
from common import data
from common.data import weights
from common.features.image_kinds import check_bytes
from common.image_classifier import outputs
from common.run import Run

if TYPE_CHECKING:
    from common.record import LessonRecord

SHORTER, SIDE = 256, 224  # pixels
CATS = ("tabby", "tiger cat", "Egyptian cat")
TAUGHT = {  # photos of things that have classes, and the right classes
    "chelsea": CATS,
    "coffee": ("espresso", "cup", "coffee mug"),
    "motorcycle": ("moped", "motor scooter"),
    "rocket": ("missile", "projectile", "space shuttle"),
}
BLUR, TILES = "out of focus", "16 tiles, shuffled"  # changes that a note mentions
NEVER_SHOWN = ("retina", "hubble_deep_field", "coins", "gravel")
Photo = UInt8[np.ndarray, "height width 3"]


def crop_square(photo: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "side side 3"]:
    """The middle of a photo at the network's training size; a grey photo has three equal channels.

    Transparency is removed. Raises ValueError for other pixels than uint8.
    """
    from PIL import Image

    check_bytes(photo, stack=False, channels=(1, 3, 4))
    picture = Image.fromarray(photo[..., 0] if photo.shape[2:] == (1,) else photo).convert("RGB")
    shorter = min(picture.size)
    picture = picture.resize([length * SHORTER // shorter for length in picture.size], Image.Resampling.BILINEAR)
    left, top = (round((length - SIDE) / 2) for length in picture.size)
    return np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)))


def shuffle_tiles(photo: Photo, tiles: int = 4) -> Photo:
    """The photo cut into tiles × tiles squares, which are permuted (always in the same way)."""
    side = len(photo) // tiles
    squares = photo.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    squares = squares[np.random.default_rng(0).permutation(tiles**2)]
    return squares.reshape(tiles, tiles, side, side, 3).swapaxes(1, 2).reshape(photo.shape)


def blur(photo: Photo, sigma: float = 6.0) -> Photo:
    """The photo blurred, as if out of focus."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(photo, (sigma, sigma, 0))


CHANGES: dict[str, Callable[[Photo], Photo]] = {
    "as it is": lambda photo: photo,
    "mirrored": lambda photo: photo[:, ::-1],
    "without colour": lambda photo: photo.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2),
    "turned by 90°": np.rot90,
    "upside down": lambda photo: photo[::-1],
    BLUR: blur,
    "as a negative": lambda photo: 255 - photo,
    TILES: shuffle_tiles,
}


def compute_probabilities(network: nn.Module, photos: Sequence[Photo]) -> Float[np.ndarray, "photos classes"]:
    """The network's softmax for each photo."""
    return outputs(network, weights.imagenet_inputs(np.stack(photos))).softmax(dim=1).numpy()


def cat_fact(record: LessonRecord, change: str) -> float:
    """The probability of a cat after this change, over all seeds, in %."""
    return record.findings()[f"a cat, {change}: probability of a cat"][0].value


def crop_middle(photo: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
    """The largest square in the middle of a photo: for a long photo, `crop_square` would make a picture of any size."""
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    return photo[top : top + side, left : left + side]


def show_yours(run: Run, network: nn.Module, names: Shaped[np.ndarray, "classes"]) -> None:
    """Show the network's prediction for the reader's own photo (--photo FILE): five classes with probabilities."""
    photo = crop_square(np.ascontiguousarray(crop_middle(run.photo)))
    with torch.inference_mode():
        share = compute_probabilities(network, [photo])[0]
    best = np.argsort(share)[::-1][:5]
    run.note("Your photo: " + ", ".join(f"{names[entry]} {share[entry]:.1%}" for entry in best) + ".")
    caption = "Your photo as the network receives it, and the five of its 1000 classes with the highest probability."
    run.figure("yours", draw_yours, photo, share, names, caption=caption)


def lesson(run: Run) -> None:
    network, names = weights.mobilenet_v2_or_none(run.scale, run.note), np.array(weights.imagenet_classes())
    if network is None and run.scale.preset != "smoke":
        return
    if network is None:
        from torchvision import models

        network = models.mobilenet_v2()
        run.note("An untrained network stands in: its answers mean nothing.")
    photos = {name: crop_square(data.photo(name)) for name in (*TAUGHT, *NEVER_SHOWN)}
    with run.method("MobileNetV2", kind="reference") as method, torch.inference_mode():
        method.model = network
        shares = method.time(compute_probabilities, network, list(photos.values()))
        first = names[shares.argmax(axis=1)]
        right = [name in accepted for name, accepted in zip(first, TAUGHT.values(), strict=False)]
        method.measure("photos classified correctly", sum(right), n=len(right), higher_is_better=True)
        run.floor(
            "MobileNetV2", "photos classified correctly", at_least=len(right) - 1
        )  # one has no class that fits it
        changed = [np.ascontiguousarray(change(photos["chelsea"])) for change in CHANGES.values()]
        cats = compute_probabilities(network, changed)[:, np.isin(names, CATS)].sum(axis=1)

    for name, predicted, share in zip(photos, first, shares.max(axis=1), strict=True):
        run.fact(f"{name}: probability of the top class, {predicted}", 100 * share, "%")
    for name, share in zip(CHANGES, cats, strict=True):
        run.fact(f"a cat, {name}: probability of a cat", 100 * share, "%")
    sure = 100 * shares[len(TAUGHT) :].max(axis=1).mean()
    run.fact("mean probability of the top class, photos without a class", sure, "%")
    run.note(
        f"For things without a class of their own, the top class has a probability of {sure:.0f} % on average: softmax "
        "has no class for none of these."
    )
    tiles, focus = (100 * cats[list(CHANGES).index(name)] for name in (TILES, BLUR))
    run.note(f"Probability of a cat: {tiles:.0f} % with shuffled tiles, {focus:.0f} % out of focus.")
    run.claim(
        "On this one cat, with this one blur, texture counts for more than shape.",
        lambda record: cat_fact(record, TILES) > cat_fact(record, BLUR),
    )
    run.figure(
        "answers",
        draw_answers,
        list(photos.values()),
        shares,
        names,
        caption="Above: things that have a class. Below: an eye, a galaxy, coins and gravel, which have none.",
    )
    run.figure(
        "changes",
        draw_changes,
        changed,
        dict(zip(CHANGES, cats.tolist(), strict=True)),
        caption="The probability of a cat (three classes of house cats together) after each change of the photo.",
    )
    if run.photo is not None:
        show_yours(run, network, names)
