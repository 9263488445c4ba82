"""SIFT keypoints: find points that can be found again, rotate their patches upright, and describe these.

Question   What are a keypoint, its scale, its orientation and its descriptor, and what does each of them contribute?
Method     Lowe 2004. Keypoints are extremes of differences of Gaussians, over place and scale (§3); the orientation is
           the peak of a histogram of gradients (§5), by which a patch, 3σ wide per bin and blurred to σ, is rotated
           upright; 8 orientations in 4×4 bins are the descriptor (§6). A photo is compared with views of itself
           (sift/views.py): is the nearest descriptor that of the same spot, and does the ratio test (§7.1), d₁ < 0.8
           d₂, detect when it is not?
Rival      The pixels of the same patches, minus their mean, divided by their length; SIFT of patches that were not
           rotated; scikit-image's own descriptors as the reference.
Differs    The views are computed, so that true matches are known. scikit-image finds keypoints, scales and
           orientations; the latter lie 5° beyond the peak, half a bar of the histogram, in every picture alike. Lowe
           rotates the gradients; here the photo is rotated, 4 pixels per bin. Blobs wider than σ = 12 are excluded.
Costs      3 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.ndimage import map_coordinates
from skimage.color import rgb2gray
from sklearn.metrics.pairwise import euclidean_distances

from ch05_cnn.drawings.keypoints import draw_keypoints, draw_matches, draw_patch, draw_shares
from ch05_cnn.sift.views import Keypoints, View, same_spot
from common import data
from common.claims import beats
from common.data import Images
from common.features.sift import BIN_PER_SCALE, BINS, blurred, dense_descriptors
from common.run import Run

if TYPE_CHECKING:
    from common.record import LessonRecord

PHOTO = "astronaut"
BIN_SIZE, PATCH = 4, 23  # in the patch's own pixels: a spatial bin, and 5 of them (all contribute) with a border
LEVELS = 0.8 * 2 ** (np.arange(13) / 3)  # the blurs of the images from which patches are cut, in pixels
WIDEST = 12.0  # σ in pixels
DIRECTIONS = 36  # of the histogram that finds the orientation
RATIO = 0.8
KINDS = {
    "SIFT": "from scratch",
    "SIFT, not rotated": "from scratch",
    "pixel patches": "classical",
    "scikit-image's SIFT": "reference",
}


def find_keypoints(
    image: Float[np.ndarray, "height width"], upsampling: int = 2
) -> tuple[Keypoints, Float32[np.ndarray, "n 128"]]:
    """scikit-image's keypoints and descriptors. It measures angles from the downward direction, we from the right."""
    from skimage.feature import SIFT

    finder = SIFT(upsampling=upsampling)
    finder.detect_and_extract(image)
    small = finder.sigmas <= WIDEST
    places, sigmas, angles = (a[small].astype(float) for a in (finder.positions, finder.sigmas, finder.orientations))
    return Keypoints(places, sigmas, angles - np.pi / 2), finder.descriptors[small].astype(np.float32)


def orientation_histogram(patch: Float32[np.ndarray, "side side"]) -> Float[np.ndarray, "36"]:
    """The gradients of an unrotated patch, by direction, under a Gaussian 1.5 σ wide; smoothed. §5."""
    down, right = np.gradient(patch)
    row, column = np.mgrid[:PATCH, :PATCH] - PATCH // 2
    width = 1.5 * BIN_SIZE / BIN_PER_SCALE
    votes = np.hypot(down, right) * np.exp(-(row**2 + column**2) / (2 * width**2))
    direction = np.round(np.arctan2(-down, right) * DIRECTIONS / (2 * np.pi)).astype(int) % DIRECTIONS
    histogram = np.bincount(direction.ravel(), votes.ravel(), minlength=DIRECTIONS)
    for _ in range(2):
        histogram = (np.roll(histogram, 1) + histogram + np.roll(histogram, -1)) / 3
    return histogram


def cut_patches(
    image: Float[np.ndarray, "height width"], keypoints: Keypoints, angles: Float[np.ndarray, "n"]
) -> Float32[np.ndarray, "n side side"]:
    """The surroundings of each keypoint, blurred to its σ and rotated so that its angle points right."""
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=-1)  # one step right in the patch, as (row, column)
    down = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    steps = (np.arange(PATCH) - PATCH // 2) * BIN_PER_SCALE / BIN_SIZE  # in σ
    offsets = steps[:, None, None] * down[:, None, None] + steps[:, None] * across[:, None, None]
    places = keypoints.places[:, None, None] + keypoints.sigmas[:, None, None, None] * offsets

    cut = np.empty(places.shape[:3], np.float32)
    level = np.abs(np.log(keypoints.sigmas[:, None] / LEVELS)).argmin(axis=1)
    for k in np.unique(level):
        smooth = blurred(image[None].astype(np.float32), LEVELS[k])[0]
        cut[level == k] = map_coordinates(smooth, np.moveaxis(places[level == k], -1, 0), order=1, mode="nearest")
    return cut


def describe_by_sift(cut: Float32[np.ndarray, "n side side"]) -> Float32[np.ndarray, "n 128"]:
    """The SIFT descriptor of each patch's middle; sigma=0, because the patch is already blurred."""
    return dense_descriptors(cut, [PATCH // 2], [PATCH // 2], BIN_SIZE, sigma=0)[:, 0, 0]


def describe_by_pixels(cut: Float32[np.ndarray, "n side side"]) -> Float32[np.ndarray, "n 256"]:
    """The pixels of the 4×4 bins, minus their mean, divided by their length, which removes brightness and contrast."""
    edge, width = (PATCH - BINS * BIN_SIZE) // 2, BINS * BIN_SIZE
    v = cut[:, edge : edge + width, edge : edge + width].reshape(len(cut), -1)
    v = v - v.mean(axis=1, keepdims=True)
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-6)


class Look(NamedTuple):
    """A picture, its keypoints, the patches around them, and their descriptors by name."""

    image: Float[np.ndarray, "height width"]
    keypoints: Keypoints
    cut: Float32[np.ndarray, "n patch patch"]
    descriptors: dict[str, Float32[np.ndarray, "n numbers"]]


def find_and_describe(image: Float[np.ndarray, "height width"], upsampling: int) -> Look:
    """Find the keypoints and describe them in each way."""
    keypoints, theirs = find_keypoints(image, upsampling)
    cut = cut_patches(image, keypoints, keypoints.angles)
    not_turned = describe_by_sift(cut_patches(image, keypoints, np.zeros(len(keypoints))))
    described = describe_by_sift(cut), not_turned, describe_by_pixels(cut), theirs
    return Look(image, keypoints, cut, dict(zip(KINDS, described, strict=True)))


class DescriptorMatches(NamedTuple):
    """For each keypoint of the views: the nearest in the photo, the ratio d₁ / d₂, whether it is the same spot."""

    to: Int[np.ndarray, "n"]
    ratio: Float[np.ndarray, "n"]
    right: Bool[np.ndarray, "n"]


def match_descriptors(
    views: Float32[np.ndarray, "n numbers"], photo: Float32[np.ndarray, "m numbers"], same: Bool[np.ndarray, "n m"]
) -> DescriptorMatches:
    """Each descriptor's nearest neighbour, and the ratio of the two smallest distances. §7.1."""
    distances = euclidean_distances(views, photo)
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    to = distances.argmin(axis=1)
    return DescriptorMatches(to, (first / np.maximum(second, 1e-9)).astype(float), same[np.arange(len(to)), to])


def better_not_rotated(record: LessonRecord, views: Iterable[str]) -> list[str]:
    """The views in which SIFT has more correct matches if its patches are not rotated, over all seeds."""
    share = {name: value.value for name, (value, _) in record.findings().items()}
    names = "correct matches, {}, SIFT", "correct matches, {}, SIFT, not rotated"
    return [view for view in views if share[names[1].format(view)] > share[names[0].format(view)]]


def lesson(run: Run) -> None:
    whole, upsampling = rgb2gray(data.photo(PHOTO)), run.pick(smoke=1, lecture=2)
    views = {
        "rotated": View(turn=run.rng.uniform(30, 150)),
        "smaller": View(scale=0.7),
        "darker": View(light=0.3),
        "from the side": View(aside=45),
    }
    photo = find_and_describe(whole, upsampling)
    looks = [find_and_describe(view.of(whole, run.rng), upsampling) for view in views.values()]
    of_view = np.repeat(np.arange(len(views)), [len(seen.keypoints) for seen in looks])
    spots = zip(views.values(), looks, strict=True)
    same = np.concatenate([same_spot(v.in_photo(s.keypoints, whole.shape), photo.keypoints) for v, s in spots])
    there = same.any(axis=1)
    run.fact("keypoints of the photo", len(photo.keypoints))
    for k, name in enumerate(views):
        run.fact(f"keypoints, {name}", int((of_view == k).sum()))
        run.fact(f"share also found in the photo, {name}", 100 * there[of_view == k].mean(), "%")

    # An item is a keypoint that the photo has, too. The ratio test must work without that knowledge.
    cut = np.concatenate([seen.cut for seen in looks])[there]
    part = Images((255 * cut.clip(0, 1)).astype(np.uint8), of_view[there], 100_000 * run.seed + np.arange(len(cut)))
    answers = {}
    for name, kind in KINDS.items():
        with run.method(name, kind=kind) as method:
            described = np.concatenate([seen.descriptors[name] for seen in looks])
            matches = answers[name] = match_descriptors(described, photo.descriptors[name], same)
            right = 100.0 * matches.right
            method.score_items("correct matches", right[there], part, unit="%", higher_is_better=True)
            kept = matches.ratio < RATIO
            passed = {"n": int(kept.sum()), "unit": "%", "higher_is_better": True}
            method.measure("correct among those that pass the ratio test", right[kept].mean(), **passed)
    run.compare("SIFT", "pixel patches")
    run.compare("SIFT", "SIFT, not rotated")
    run.floor("SIFT", "correct matches", at_least=93.5)
    turned = of_view == 0
    run.figure(
        "found",
        draw_keypoints,
        (photo.image, photo.keypoints),
        (looks[0].image, looks[0].keypoints),
        there[turned],
        caption="Keypoints with σ above 3.5 pixels: circles of radius 3σ, the hand shows the orientation. In the view, "
        "blue ones lie where the photo has one of that size, red ones do not. The hands rotate with the photo.",
    )
    one = photo.keypoints.take(int(np.argsort(photo.keypoints.sigmas)[-40]))
    patch, upright = (cut_patches(whole, one, angles)[0] for angles in (np.zeros(1), one.angles))
    run.figure(
        "descriptor",
        draw_patch,
        patch,
        upright,
        float(one.angles[0]),
        orientation_histogram(patch),
        describe_by_sift(upright[None])[0],
        caption="One keypoint. Gradients; the histogram of their directions, whose peak is the orientation (orange; "
        "scikit-image's is half a bar further on); the patch, rotated until that points right; its descriptor: 8 "
        "arrows for each of 4×4 bins.",
    )
    first = DescriptorMatches(*(values[turned] for values in answers["SIFT"]))
    kept = np.flatnonzero(first.ratio < RATIO)
    run.figure(
        "matches",
        draw_matches,
        photo.image,
        looks[0].image,
        np.stack([photo.keypoints.places[first.to[kept]], looks[0].keypoints.places[kept]], axis=1),
        first.right[kept],
        caption=f"SIFT: some of the matches with d₁ < {RATIO} d₂. Blue ones end at the same spot, red ones do not.",
    )
    by_view = [there & (of_view == k) for k in range(len(views))]
    shares = {name: [100 * m.right[those].mean() for those in by_view] for name, m in answers.items()}
    run.figure(
        "shares",
        draw_shares,
        shares,
        list(views),
        {name: (m.ratio, m.right) for name, m in answers.items()},
        RATIO,
        caption="Left: how often the nearest descriptor is the right one, for keypoints that are in both pictures. "
        f"Right: all keypoints, kept in the order of their ratio d₁ / d₂; dots: d₁ < {RATIO} d₂.",
    )
    for name, values in shares.items():
        for view, share in zip(views, values, strict=True):
            run.fact(f"correct matches, {view}, {name}", share, "%")
    run.note(
        f"{np.sum(of_view == 2)} keypoints are found in the darker view and {np.sum(of_view == 0)} in the rotated one. "
        "The descriptor is normalised; the detector's threshold is fixed."
    )
    run.claim(
        lambda record: (
            "Orientation has a price where it is not needed: more matches are correct without rotating the patches "
            f"in these views: {', '.join(better_not_rotated(record, views))}."
        ),
        lambda record: bool(better_not_rotated(record, views)),
    )
    run.claim("Over all views the descriptor beats the bare pixels of its patches.", beats("SIFT", "pixel patches"))
