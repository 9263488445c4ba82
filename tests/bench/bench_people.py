"""Films of drawn people: frames a second, beside drawing frame by frame with Pillow, which puts the same limbs there.

The peer is given the same backgrounds and limbs. It draws every limb as a line with round ends, on a grid four times as
fine, reduced for smooth edges. Stripes and light are left out, which is in its favour. All on one thread.
"""

from __future__ import annotations

from functools import partial
from statistics import median
from time import process_time

import numpy as np
from PIL import Image, ImageDraw
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video import people
from ch07_applications.video.capsules import Capsules, paint
from ch07_applications.video.people import Studio

FILMS, SEED, FINE = 48, 5, 4
LEAST = 300  # frames of 64 × 64 a second
STUDIO = Studio(side=64)


def paint_by_pillow(canvas: np.ndarray, limbs: Capsules) -> np.ndarray:
    """As capsules.paint, frame by frame, the farthest limb first."""
    _, frames, side, _ = canvas.shape
    shares = np.empty((frames, side, side), np.float32)
    for frame in range(frames):
        picture = Image.fromarray(np.moveaxis(canvas[:, frame], 0, -1).clip(0, 255).astype(np.uint8)).resize(
            (side * FINE, side * FINE)
        )
        mask = Image.new("L", picture.size)
        pens = [(ImageDraw.Draw(picture), True), (ImageDraw.Draw(mask), False)]
        for limb in np.argsort(limbs.depths[frame]):
            a, b = FINE * limbs.starts[frame, limb], FINE * limbs.ends[frame, limb]
            first, second = FINE * limbs.radii[frame, limb]
            cut = a + limbs.cuts[frame, limb] * (b - a)
            for pen, coloured in pens:
                one, two = (
                    [tuple(int(level) for level in colour) for colour in limbs.colours[frame, limb]]
                    if coloured
                    else (255, 255)
                )
                pen.line([tuple(a), tuple(cut)], fill=one, width=int(first + second))
                pen.line([tuple(cut), tuple(b)], fill=two, width=int(first + second))
                pen.ellipse([a[0] - first, a[1] - first, a[0] + first, a[1] + first], fill=one)
                pen.ellipse([b[0] - second, b[1] - second, b[0] + second, b[1] + second], fill=two)
        canvas[:, frame] = np.moveaxis(np.asarray(picture.reduce(FINE), np.float32), -1, 0)
        shares[frame] = np.asarray(mask.reduce(FINE), np.float32) / 255
    return shares


def measure() -> list[dict]:
    """Rows for run.py: the limbs of a few films beside Pillow, and whole films beside a mark in frames a second of one
    processor, however busy that is."""
    kept = []

    def keeping(canvas: np.ndarray, limbs: Capsules) -> np.ndarray:
        kept.append((canvas.copy(), limbs))
        return paint(canvas, limbs)

    people.paint = keeping
    try:
        STUDIO.shoot(FILMS, SEED)
    finally:
        people.paint = paint
    with threadpool_limits(1):
        found = [(paint(canvas.copy(), limbs), paint_by_pillow(canvas.copy(), limbs)) for canvas, limbs in kept]
        assert np.mean([np.abs(ours - theirs).mean() for ours, theirs in found]) < 0.02  # a limb's taper
        ours, theirs = (
            partial(lambda way: [way(canvas.copy(), limbs) for canvas, limbs in kept], way)
            for way in (paint, paint_by_pillow)
        )
        name = f"drawn people: limbs of {FILMS * STUDIO.frames} frames 64×64"
        beside = row(name, ours, "Pillow, frame by frame", theirs, at_least=3)
        taken = []
        for _ in range(5):
            start = process_time()
            STUDIO.shoot(FILMS, SEED)
            taken.append(process_time() - start)
    due = FILMS * STUDIO.frames / LEAST
    mark = {"peer": f"the mark, {LEAST} frames a second", "ours_seconds": median(taken), "peer_seconds": due}
    whole = {"name": f"drawn people: {FILMS} films of {STUDIO.frames} frames 64×64", "ratio": due / median(taken)}
    return [beside, beside | mark | whole | {"at_least": 1}]
