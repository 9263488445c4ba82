"""Scenes a second: composed many at once, beside a straightforward composition with Pillow, scene by scene.

The peer lays the very same things at the same places: it turns and enlarges each thing's brightness and coverage with
Pillow's affine sampling, blends with its composite, blurs and adds noise. All on one thread.
"""

from __future__ import annotations

from functools import partial
from statistics import median
from time import process_time

import numpy as np
from PIL import Image, ImageFilter
from side_by_side import row
from threadpoolctl import threadpool_limits

from common.data.scene_composer import CHUNK, NOISE, SHARPNESS, Composer
from common.data.scene_items import SIDE
from common.data.scene_places import SIZE
from common.data.scenes import composers

SCENES, SEED = 256, 11
LEAST = 500  # scenes a second


def laid_by_pillow(composer: Composer, canvas: np.ndarray, layers, scene: int) -> Image.Image:
    """One scene of layers upon its photograph, thing by thing."""
    picture = Image.fromarray(canvas[scene].clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    for layer in range(layers.count):
        item, size = layers.items[scene, layer], layers.sizes[scene, layer]
        if item < 0:
            continue
        back = layers.poses[scene, layer].T / size
        offset = SIDE / 2 - back @ layers.centres[scene, layer]
        affine = (*back[0], offset[0], *back[1], offset[1])
        value, alpha = (
            Image.fromarray(thing[item]).transform(
                (SIZE, SIZE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
            )
            for thing in (composer.items.values, composer.items.alphas)
        )
        slope = SHARPNESS * size
        alpha = alpha.point([int(min(max((level - 127.5) * slope + 127.5, 0), 255)) for level in range(256)])
        dark, light = layers.tints[scene, layer]
        bands = [
            value.point([int(d + (b - d) * level / 255) for level in range(256)])
            for d, b in zip(dark, light, strict=True)
        ]
        picture = Image.composite(Image.merge("RGB", bands), picture, alpha)
    return picture


def by_pillow(composer: Composer, n: int, seed: int) -> np.ndarray:
    """n scenes, developed one after the other."""
    images = np.empty((n, SIZE, SIZE, 3), np.uint8)
    for start in range(0, n, CHUNK):
        rng = np.random.default_rng((seed, start))
        canvas, layers = composer.prepared(rng)
        for scene in range(CHUNK):
            picture = laid_by_pillow(composer, canvas, layers, scene).filter(ImageFilter.GaussianBlur(0.5))
            noisy = np.asarray(picture) + rng.uniform(0, NOISE) * rng.standard_normal((SIZE, SIZE, 3), np.float32)
            images[start + scene] = noisy.clip(0, 255)
    return images


def agreement(composer: Composer) -> float:
    """The mean difference of both ways' pictures, in grey levels, before they are developed."""
    canvas, layers = composer.prepared(np.random.default_rng((SEED, 0)))
    theirs = np.stack([np.asarray(laid_by_pillow(composer, canvas, layers, scene)) for scene in range(CHUNK)])
    canvas = canvas.clip(0, 255)
    composer.lay(canvas, layers)
    return float(np.mean(np.abs(canvas.transpose(0, 2, 3, 1) - theirs)))


def processor_seconds(composer: Composer) -> float:
    """What SCENES scenes take of one processor: the median of five times."""
    seconds = []
    for _ in range(5):
        start = process_time()
        composer.compose(SCENES, SEED)
        seconds.append(process_time() - start)
    return median(seconds)


def measure() -> list[dict]:
    """Rows for run.py: beside Pillow, and beside a mark in scenes a second of one processor, however busy that is."""
    training, _ = composers()
    name = f"{SCENES} scenes 128×128"
    with threadpool_limits(1):
        assert agreement(training) < 1
        ours, theirs = partial(training.compose, SCENES, SEED), partial(by_pillow, training, SCENES, SEED)
        beside = row(name, ours, "Pillow, scene by scene", theirs, at_least=3)
        taken, due = processor_seconds(training), SCENES / LEAST
    mark = {"peer": f"the mark, {LEAST} a second", "ours_seconds": taken, "peer_seconds": due, "ratio": due / taken}
    return [beside, beside | mark | {"at_least": 1}]
