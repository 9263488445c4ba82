"""Edges at pixel level: patches across the outlines of pasted things, and across edges within a photograph."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from common.data import Images
from common.data.scene_composer import CHUNK, Composer
from common.data.scene_items import EACH, INK, Items
from common.results import CONFIDENCE, Interval

PHOTO, CLOTHES, SHAPE = 0, 1, 2  # the edge's owner
RIVALS = {PHOTO: "photographs' edges", SHAPE: "shapes' outlines"}
REACH = 2  # pixels from the middle of a patch to its rim
STEEP = 8.0  # grey levels per pixel: the least slope of an edge
EACH_SCENE = 6  # the most edges of each kind per scene


def naive_composer(composer: Composer, part: Images) -> Composer:
    """The composer of naive scenes: items are cut out where they are brighter than INK, without a camera."""
    levels = np.pad(part.images, ((0, 0), (1, 1), (1, 1)))
    values, alphas = composer.items.values.copy(), composer.items.alphas.copy()
    values[: len(part)], alphas[: len(part)] = levels, np.where(levels > INK, 255, 0)
    return replace(composer, items=Items(values, alphas, composer.items.labels), camera=False)


def brightness_by_depth(items: Items, deepest: int = 6) -> Float[np.ndarray, "items deepest"]:
    """The mean brightness of pixels 1, 2, … pixels inside each item's outline, relative to that of deeper pixels.

    NaN if an item has no such pixels.
    """
    left, shells = (items.alphas > 127) & (items.labels > 0)[:, None, None], []
    for _ in range(deepest):
        inner = ndimage.binary_erosion(left, EACH)
        shells.append(masked_mean(items.values, left & ~inner))
        left = inner
    return np.stack(shells, axis=1) / masked_mean(items.values, left).clip(1)[:, None]


def masked_mean(
    values: UInt8[np.ndarray, "n height width"], which: Bool[np.ndarray, "n height width"]
) -> Float[np.ndarray, "n"]:
    """The mean of some pixels of each image; NaN if there are none."""
    count = which.sum(axis=(1, 2))
    return np.where(count, (values * which).sum(axis=(1, 2)) / count.clip(1), np.nan)


@dataclass(frozen=True, eq=False)
class Edges:
    """Patches of grey levels across edges, rotated so that brightness rises to the right; their owners and scenes."""

    patches: Float[np.ndarray, "n side side"]
    kinds: Int[np.ndarray, "n"]
    scenes: Int[np.ndarray, "n"]

    def of(self, *kinds: int) -> Edges:
        """The edges of these kinds."""
        some = np.isin(self.kinds, kinds)
        return Edges(self.patches[some], self.kinds[some], self.scenes[some])

    @property
    def steepness(self) -> Float[np.ndarray, "n"]:
        """The share of the whole patch's rise that lies within a pixel on either side of the edge."""
        profile = self.patches.mean(axis=1)
        return (profile[:, REACH + 1] - profile[:, REACH - 1]) / (profile[:, -1] - profile[:, 0]).clip(1)

    @property
    def features(self) -> Float[np.ndarray, "n numbers"]:
        """Features that brightness and contrast do not change: pixels, products along the profile, unevenness."""
        level, spread = (part(self.patches, axis=(1, 2), keepdims=True) for part in (np.mean, np.std))
        patches = (self.patches - level) / spread.clip(1)
        profile = patches.mean(axis=1)
        i, j = np.triu_indices(profile.shape[1])
        products = profile[:, i] * profile[:, j]
        return np.concatenate([patches.reshape(len(patches), -1), products, patches.std(axis=1)], axis=1)


def collect_edges(composer: Composer, n: int, seed: int) -> Edges:
    """The edges of n scenes, up to EACH_SCENE of each kind and scene."""
    parts = []
    for start in range(0, n, CHUNK):
        rng = np.random.default_rng((seed, start))
        canvas, layers = composer.prepared(rng)
        owner, _ = composer.lay(canvas, layers)
        images = np.empty((CHUNK, *owner.shape[1:], 3), np.uint8)
        composer.develop(canvas, images, rng)
        labels = composer.items.labels[layers.items]
        clothing = np.take_along_axis(labels > 0, owner.reshape(CHUNK, -1).clip(0).astype(int), 1).reshape(owner.shape)
        kinds = np.where(owner < 0, PHOTO, np.where(clothing, CLOTHES, SHAPE))
        parts.append(_edges_of(images.mean(axis=3, dtype=np.float32), kinds, start, rng))
    return Edges(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("patches", "kinds", "scenes")))


def _edges_of(
    grey: Float[np.ndarray, "n height width"],
    kinds: Int[np.ndarray, "n height width"],
    first: int,
    rng: np.random.Generator,
) -> Edges:
    """Edges at local maxima of slope: within a pixel of an outline on the photograph, or far away from all things."""
    across, down = (ndimage.gaussian_filter(grey, (0, 0.7, 0.7), order) for order in ((0, 0, 1), (0, 1, 0)))
    steep = np.hypot(across, down)
    crest = (steep > STEEP) & (steep == ndimage.maximum_filter(steep, (1, 3, 3)))
    margin = 2 * REACH
    crest[:, :margin] = crest[:, -margin:] = crest[:, :, :margin] = crest[:, :, -margin:] = False
    photo = kinds == PHOTO
    near = {kind: ndimage.maximum_filter(kinds == kind, (1, 3, 3)) for kind in (CLOTHES, SHAPE)}
    at_photo = ndimage.maximum_filter(photo, (1, 3, 3))
    where = {PHOTO: ndimage.minimum_filter(photo, (1, 11, 11))} | {
        kind: near[kind] & at_photo & ~near[CLOTHES + SHAPE - kind] for kind in near
    }
    places = [sample_places(crest & where[kind], rng) for kind in where]
    scene, y, x = np.concatenate(places).T
    turn = np.stack([down[scene, y, x], across[scene, y, x]], axis=1) / steep[scene, y, x, None]
    step = np.arange(-REACH, REACH + 1)
    rise, along = turn[:, :, None, None] * step, (turn[:, ::-1] * (1, -1))[:, :, None, None] * step[:, None]
    at = np.stack([y, x], axis=1)[:, :, None, None] + rise + along
    index = np.broadcast_to(scene[:, None, None], at[:, 0].shape)
    patches = ndimage.map_coordinates(grey, [index, at[:, 0], at[:, 1]], order=1).astype(float)
    return Edges(patches, np.repeat(list(where), [len(some) for some in places]), first + scene)


def sample_places(there: Bool[np.ndarray, "n height width"], rng: np.random.Generator) -> Int[np.ndarray, "chosen 3"]:
    """The (scene, y, x) of random True places, at most EACH_SCENE per scene."""
    places = rng.permutation(np.argwhere(there))
    places = places[np.argsort(places[:, 0], kind="stable")]
    rank = np.arange(len(places)) - np.searchsorted(places[:, 0], places[:, 0])
    return places[rank < EACH_SCENE]


def auc(
    scores: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"], scenes: Int[np.ndarray, "n"], resamples: int = 300
) -> Interval:
    """The probability that a positive scores higher than a negative (Mann and Whitney 1947), resampling scenes."""
    order = np.argsort(scores, kind="stable")
    positive, scenes = positive[order], np.unique(scenes[order], return_inverse=True)[1]
    counts = scenes.max() + 1
    weights = np.random.default_rng(0).multinomial(counts, np.full(counts, 1 / counts), resamples)[:, scenes]
    weights = np.concatenate([np.ones((1, len(order))), weights])
    yes, no = weights * positive, weights * ~positive
    values = (yes * np.cumsum(no, axis=1)).sum(axis=1) / (yes.sum(axis=1) * no.sum(axis=1))
    low, high = np.quantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(values[0]), float(low), float(high))
