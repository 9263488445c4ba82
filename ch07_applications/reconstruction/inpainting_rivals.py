"""Inpainting without a network: harmonic, biharmonic, Telea's, Navier–Stokes', and exemplar-based.

Settings are chosen on held-out crops. Telea's and Navier–Stokes' are OpenCV's, which is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from ch07_applications.reconstruction.exemplar import fill_by_exemplars
from ch07_applications.reconstruction.hidden_crops import Crops, HiddenCrops, Holes, Picture, psnr_in_holes, score
from ch07_applications.reconstruction.holes import Hole, check_hole
from ch07_applications.reconstruction.smooth_fills import SmoothFill, fill_smoothly
from common.pools import map_chunks
from common.run import Method, Run
from common.tuning import choose

HARMONIC, BIHARMONIC, TELEA, NAVIER_STOKES = "harmonic fill", "biharmonic fill", "Telea", "Navier–Stokes"
MEAN, EXEMPLAR = "mean of both fills", "exemplar-based"
RADII, SIZES = (1, 2, 3, 5, 8), (3, 5, 9)  # pixels
FEWER = 7  # exemplars are chosen on every seventh held-out crop: they are slow
Fill = Callable[[Picture, Hole], Picture]


def restored(filled: np.ndarray, picture: Picture, hole: Hole) -> Picture:
    """Clip and round grey levels in the hole; known pixels stay unchanged."""
    return np.where(hole[..., None], np.clip(filled, 0, 255).round(), picture).astype(np.uint8)


def harmonic(picture: Picture, hole: Hole) -> Picture:
    """The solution of Δu = 0; smooth_fills.py."""
    check_hole(picture, hole)
    return restored(SmoothFill(hole, 1).fill(picture[None])[0], picture, hole)


def biharmonic(picture: Picture, hole: Hole) -> Picture:
    """The solution of Δ²u = 0, which continues slopes, too (Damelin and Hoang 2018); scikit-image's."""
    from skimage.restoration import inpaint_biharmonic

    check_hole(picture, hole)
    given = np.where(hole[..., None], 0, picture) / 255
    return restored(255 * inpaint_biharmonic(given, hole, channel_axis=2), picture, hole)


def mean_fill(picture: Picture, hole: Hole) -> Picture:
    """The mean of the harmonic and the biharmonic fill: the one undershoots at edges, the other overshoots."""
    return restored(np.mean(fill_smoothly(picture, hole), axis=0), picture, hole)


def by_opencv(picture: Picture, hole: Hole, method: str, radius: int) -> Picture:
    """Telea 2004: weighted means from the rim inwards; or Bertalmio et al. 2001: isophotes as a fluid's streamlines."""
    import cv2

    check_hole(picture, hole)
    flags = {TELEA: cv2.INPAINT_TELEA, NAVIER_STOKES: cv2.INPAINT_NS}
    given = np.ascontiguousarray(np.where(hole[..., None], 0, picture).astype(np.uint8))
    return restored(cv2.inpaint(given, hole.astype(np.uint8), radius, flags[method]), picture, hole)


def exemplars_of(pictures: Crops | Sequence[Picture], holes: Holes | Sequence[Hole], setting: int) -> list[Picture]:
    """Fill each picture with its own patches; exemplar.py. setting: a patch's side in pixels."""
    with threadpool_limits(1):  # because processes share the work
        return [fill_by_exemplars(picture, hole, setting) for picture, hole in zip(pictures, holes, strict=True)]


def has_opencv(run: Run) -> bool:
    """Whether OpenCV is installed; if not, a note says so."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        run.note("Left out: Telea's and Navier–Stokes' methods, without OpenCV (pip install opencv-python-headless).")
        return False
    return True


def fill_all(fill: Fill, part: HiddenCrops) -> Crops:
    """Fill every crop from its known pixels."""
    return np.stack([fill(crop, hole) for crop, hole in zip(part.inputs, part.holes, strict=True)])


def choose_setting(fill: Callable[[HiddenCrops, int], Crops], options: Sequence[int], part: HiddenCrops) -> int:
    """The setting with the highest mean PSNR on held-out crops."""
    filled = [fill(part, option) for option in options]
    return choose(options, np.array([-psnr_in_holes(part.answers, each, part.holes).mean() for each in filled]))


def fill_by_rivals(run: Run, parts: Sequence[HiddenCrops], held_out: HiddenCrops) -> dict[str, list[Crops]]:
    """Fill and score every part by all rivals except exemplars."""
    found = {}
    for name, fill in ((HARMONIC, harmonic), (BIHARMONIC, biharmonic), (MEAN, mean_fill)):
        with run.method(name, kind="classical") as method:
            found[name] = answer(method, lambda part, setting, fill=fill: fill_all(fill, part), (), parts, held_out)
    for name in (TELEA, NAVIER_STOKES) if has_opencv(run) else ():
        with run.method(name, kind="classical") as method:
            fill = partial(fill_all_by_opencv, name)
            found[name] = answer(method, fill, RADII, parts, held_out)
    return found


def fill_all_by_opencv(name: str, part: HiddenCrops, radius: int) -> Crops:
    """Fill every crop by one of OpenCV's methods."""
    return fill_all(partial(by_opencv, method=name, radius=radius), part)


def fill_all_by_exemplars(part: HiddenCrops, setting: int) -> Crops:
    """Fill every crop with its own patches, in two processes if there are many."""
    return np.stack(map_chunks(partial(exemplars_of, setting=setting), part.inputs, part.holes))


def answer(
    method: Method, fill: Callable[[HiddenCrops, int], Crops], options: Sequence[int], parts: Sequence[HiddenCrops],
    held_out: HiddenCrops,
) -> list[Crops]:  # fmt: skip
    """Fill and score every part by one method; its setting is chosen first, if there are options."""
    setting = 0
    if options:
        setting = method.time(choose_setting, fill, options, held_out)
        method.run.fact(f"{method.name}: pixels chosen", setting)
    found = [method.time(fill, part, setting) for part in parts]
    for part, own in zip(parts, found, strict=True):
        score(method, part, own)
    return found


def fill_by_best_exemplars(run: Run, part: HiddenCrops, held_out: HiddenCrops) -> Crops:
    """Fill a part by exemplars, with the chosen patch size."""
    few = held_out.take(np.arange(0, len(held_out), FEWER))
    with run.method(EXEMPLAR, kind="classical") as method:
        return answer(method, fill_all_by_exemplars, run.pick(smoke=SIZES[-1:], lecture=SIZES), [part], few)[0]
