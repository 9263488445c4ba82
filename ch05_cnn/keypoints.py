"""SIFT keypoints: find points that can be found again, rotate their patches upright, and describe these.

Question   What are a keypoint, its scale, its orientation and its descriptor, and what does each of them buy?
Method     Lowe 2004. Keypoints are extremes of differences of Gaussians, over place and scale (§3); the orientation is
           the peak of a histogram of gradients (§5); 8 orientations in 4×4 bins are the descriptor (§6). Then a photo
           against views of itself: is the nearest descriptor that of the same spot, and does the ratio test (§7.1),
           d₁ < 0.8 d₂, know when it is not?
Rival      The pixels of the same patches, minus their mean, divided by their length; SIFT of patches that were not
           rotated; scikit-image's own descriptors as the reference.
Differs    The views are computed, so that we know what is where: flat, without anything that hides something else.
           Views: photo_views.py. Patches, and who finds their keypoints: upright_patches.py.
Costs      4 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray
from sklearn.metrics.pairwise import euclidean_distances

from ch05_cnn.photo_views import SIDE, View, same_spot
from ch05_cnn.upright_patches import Keypoints, draw_patch, found, patches, pixels, sift
from common import data, plots
from common.claims import beats
from common.data import Images
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

PHOTO = "astronaut"
RATIO = 0.8
KINDS = {
    "SIFT": "from scratch",
    "SIFT, not turned": "from scratch",
    "pixel patches": "classical",
    "scikit-image's SIFT": "reference",
}


class Look(NamedTuple):
    """A picture, its keypoints, the patches around them, and their descriptors by name."""

    image: Float[np.ndarray, "height width"]
    keypoints: Keypoints
    cut: Float32[np.ndarray, "n patch patch"]
    descriptors: dict[str, Float32[np.ndarray, "n numbers"]]


def look(image: Float[np.ndarray, "height width"], upsampling: int) -> Look:
    """Find the keypoints and describe them in each way."""
    keypoints, theirs = found(image, upsampling)
    cut = patches(image, keypoints, keypoints.angles)
    not_turned = sift(patches(image, keypoints, np.zeros(len(keypoints))))
    return Look(image, keypoints, cut, dict(zip(KINDS, (sift(cut), not_turned, pixels(cut), theirs), strict=True)))


class Matches(NamedTuple):
    """Of each keypoint of the views: the nearest in the photo, d₁ / d₂ to the next, whether it is the same spot."""

    to: Int[np.ndarray, "n"]
    ratio: Float[np.ndarray, "n"]
    right: Bool[np.ndarray, "n"]


def matched(
    views: Float32[np.ndarray, "n numbers"], photo: Float32[np.ndarray, "m numbers"], same: Bool[np.ndarray, "n m"]
) -> Matches:
    """Each descriptor's nearest neighbour, and the ratio of the two smallest distances. §7.1."""
    distances = euclidean_distances(views, photo)
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    to = distances.argmin(axis=1)
    return Matches(to, (first / np.maximum(second, 1e-9)).astype(float), same[np.arange(len(to)), to])


def backdrop(axis: Axes, image: Float[np.ndarray, "height width"], left: float = 0) -> None:
    """The picture, pale and in few greys, so that lines stand out and the file stays small."""
    height, width = image.shape
    coarse = np.round(9 * gaussian_filter(image, 1.5)[::2, ::2]) / 9
    axis.imshow(coarse, vmin=-1, vmax=1, extent=(left, left + width, height, 0), interpolation="nearest")


def draw_circles(axis: Axes, keypoints: Keypoints, which: Bool[np.ndarray, "n"], colour: str) -> None:
    """A circle of radius 3σ round each keypoint, a bin of its patch, with a hand that shows its orientation."""
    from matplotlib.collections import LineCollection

    turn = keypoints.angles[which, None] + np.linspace(0, 2 * np.pi, 25)
    rim = np.stack([np.cos(turn), -np.sin(turn)], axis=-1)  # x, and y downwards
    hands = np.concatenate([np.zeros_like(rim[:, :1]), rim], axis=1)
    middle = keypoints.places[which, None, ::-1]
    axis.add_collection(LineCollection(middle + 3 * keypoints.sigmas[which, None, None] * hands, color=colour, lw=0.8))


def draw_keypoints(photo: Look, view: Look, again: Bool[np.ndarray, "n"], least: float = 3.5) -> Figure:
    """The photo's keypoints, and a view's: those that were found again, and those that were not."""
    figure, axes = plots.panels(2, width=2.6, height=2.9)
    shown = photo.keypoints.sigmas >= least
    draw_circles(axes[0], photo.keypoints, shown, plots.ORANGE)
    shown = view.keypoints.sigmas >= least
    draw_circles(axes[1], view.keypoints, shown & ~again, plots.RED)
    draw_circles(axes[1], view.keypoints, shown & again, plots.BLUE)
    for axis, picture, title in zip(axes, (photo, view), ("the photo", "a view of it"), strict=True):
        backdrop(axis, picture.image)
        axis.set(title=title, xticks=[], yticks=[])
    return figure


def draw_matches(photo: Look, view: Look, matches: Matches) -> Figure:
    """Lines from the view to the photo: a sample of the nearest neighbours that pass the ratio test."""
    figure, axis = plots.panels(width=6.2, height=3.7)
    gap = photo.image.shape[1] + 16
    backdrop(axis, photo.image)
    backdrop(axis, view.image, gap)
    axis.set(xlim=(0, gap + SIDE), ylim=(photo.image.shape[0], 0))
    axis.axis("off")
    kept = np.flatnonzero(matches.ratio < RATIO)
    for item in kept[:: max(1, len(kept) // 40)]:
        (y0, x0), (y1, x1) = photo.keypoints.places[matches.to[item]], view.keypoints.places[item]
        axis.plot([x0, x1 + gap], [y0, y1], color=plots.BLUE if matches.right[item] else plots.RED, lw=0.8)
    return figure


def draw_shares(
    answers: dict[str, Matches], names: list[str], of_view: Int[np.ndarray, "n"], there: Bool[np.ndarray, "n"]
) -> Figure:
    """Right neighbours by view and descriptor; and of those that the ratio test keeps, at any threshold."""
    figure, axes = plots.panels(2, width=4.8, height=3.4)
    for k, (descriptor, matches) in enumerate(answers.items()):
        shares = [100 * matches.right[there & (of_view == view)].mean() for view in range(len(names))]
        axes[0].bar(np.arange(len(names)) + 0.2 * (k - 1.5), shares, width=0.18, color=plots.CYCLE[k])
        order = np.argsort(matches.ratio)
        kept = np.arange(1, len(order) + 1)
        right = 100 * np.cumsum(matches.right[order]) / kept
        at = np.count_nonzero(matches.ratio < RATIO) - 1
        axes[1].plot(100 * kept[50:] / len(order), right[50:], color=plots.CYCLE[k], label=descriptor)
        axes[1].plot(100 * kept[at] / len(order), right[at], "o", color=plots.CYCLE[k])
    axes[0].set(title="right neighbours", ylabel="% of keypoints found again", ylim=(0, 105))
    axes[0].set_xticks(np.arange(len(names)), names)
    axes[1].set(title="with the ratio test", xlabel="kept, % of all keypoints", ylabel="right among them, %")
    axes[1].legend(loc="lower left")
    return figure


def better_unturned(record: LessonRecord, views: Iterable[str]) -> list[str]:
    """The views in which more of SIFT's neighbours are right if its patches are not turned, over all seeds."""
    share = {name: value.value for name, (value, _) in record.findings().items()}
    names = "right neighbours, {}, SIFT", "right neighbours, {}, SIFT, not turned"
    return [view for view in views if share[names[1].format(view)] > share[names[0].format(view)]]


def lesson(run: Run) -> None:
    whole, upsampling = rgb2gray(data.photo(PHOTO)), run.pick(smoke=1, lecture=2)
    views = {
        "turned": View(turn=run.rng.uniform(30, 150)),
        "smaller": View(scale=0.7),
        "dark": View(light=0.3),
        "from aside": View(aside=45),
    }
    photo = look(whole, upsampling)
    looks = [look(view.of(whole, run.rng), upsampling) for view in views.values()]
    of_view = np.repeat(np.arange(len(views)), [len(seen.keypoints) for seen in looks])
    same = np.concatenate(
        [
            same_spot(view.in_photo(seen.keypoints, whole.shape), photo.keypoints)
            for view, seen in zip(views.values(), looks, strict=True)
        ]
    )
    there = same.any(axis=1)
    run.fact("keypoints of the photo", len(photo.keypoints))
    for k, name in enumerate(views):
        run.fact(f"keypoints, {name}", int((of_view == k).sum()))
        run.fact(f"of them in the photo, too, {name}", 100 * there[of_view == k].mean(), "%")

    # An item is a keypoint that the photo has, too. The ratio test has to do without that knowledge.
    cut = np.concatenate([seen.cut for seen in looks])[there]
    part = Images((255 * cut.clip(0, 1)).astype(np.uint8), of_view[there], 100_000 * run.seed + np.arange(len(cut)))
    answers = {}
    for name, kind in KINDS.items():
        with run.method(name, kind=kind) as method:
            described = np.concatenate([seen.descriptors[name] for seen in looks])
            matches = answers[name] = matched(described, photo.descriptors[name], same)
            right = 100.0 * matches.right
            method.score_items("right neighbours", right[there], part, unit="%", higher_is_better=True)
            kept = matches.ratio < RATIO
            passed = {"n": int(kept.sum()), "unit": "%", "higher_is_better": True}
            method.measure("right of those that pass the ratio test", right[kept].mean(), **passed)
    run.compare("SIFT", "pixel patches")
    run.compare("SIFT", "SIFT, not turned")
    run.floor("SIFT", "right neighbours", at_least=93.5)
    turned = of_view == 0
    run.figure(
        "found",
        draw_keypoints,
        photo,
        looks[0],
        there[turned],
        caption="Keypoints with σ above 3.5 pixels: circles of radius 3σ, the hand shows the orientation. In the view, "
        "blue ones lie where the photo has one of that size, red ones do not. The hands have turned with the photo.",
    )
    run.figure(
        "descriptor",
        draw_patch,
        whole,
        photo.keypoints.take(int(np.argsort(photo.keypoints.sigmas)[-40])),
        caption="One keypoint. Gradients; the histogram of their directions, whose peak is the orientation (orange; "
        "scikit-image's is half a bar further on); the patch, turned until that points right; its descriptor: 8 arrows "
        "for each of 4×4 bins.",
    )
    run.figure(
        "matches",
        draw_matches,
        photo,
        looks[0],
        Matches(*(a[turned] for a in answers["SIFT"])),
        caption=f"SIFT: some of the matches with d₁ < {RATIO} d₂. Blue ones end at the same spot, red ones do not.",
    )
    run.figure(
        "shares",
        draw_shares,
        answers,
        list(views),
        of_view,
        there,
        caption="Left: how often the nearest descriptor is the right one, for keypoints that are in both pictures. "
        f"Right: all keypoints, kept in the order of their ratio d₁ / d₂; dots: d₁ < {RATIO} d₂.",
    )
    for name, matches in answers.items():
        for k, view in enumerate(views):
            run.fact(f"right neighbours, {view}, {name}", 100 * matches.right[there & (of_view == k)].mean(), "%")
    run.note(
        f"{np.sum(of_view == 2)} keypoints are found in the dark view and {np.sum(of_view == 0)} in the turned one. "
        "The descriptor is normalised, the detector's threshold is not."
    )
    run.claim(
        lambda record: (
            "Orientation has a price where it is not needed: more neighbours are right if patches are left as "
            f"they lie in these views: {', '.join(better_unturned(record, views))}."
        ),
        lambda record: bool(better_unturned(record, views)),
    )
    run.claim("Over all views the descriptor beats the bare pixels of its patches.", beats("SIFT", "pixel patches"))
