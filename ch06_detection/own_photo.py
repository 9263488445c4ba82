"""A photograph of your own, --photo FILE, and what the trained detectors find in it.

Question   What do the detectors of this chapter find in a photograph that was not composed for them?
Method     The photograph is resized to a longer side of 128 pixels, the size of a scene, and of 256 pixels. The
           detectors of lesson `comparison` predict in both, with the weights of the last run: a run stores each
           detector that it trains (kept/detectors.py). The pedestrian detectors, if a run has trained them, predict in
           the photograph at 768 pixels.
Differs    The detectors were trained on scenes composed of Fashion-MNIST's clothes, 28 to 100 pixels large. A
           photograph of single clothes on a floor is similar, a street scene is not. Without --photo, a photograph
           without clothes is shown, in which every detection is false.
Costs      A few seconds if the detectors are trained; five minutes more if they have to be trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ch06_detection.drawings.own_photo import draw_found
from ch06_detection.kept.detectors import CLASSES, PEOPLE, SCENES, Kept
from ch06_detection.scoring.judging import learn
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.sliding_window import above
from common.data.boxed import Target
from common.data.photos import photo
from common.errors import Problem
from common.run import Run

SIDES, PEOPLE_SIDE = (128, 256), 768  # pixels of the longer side: for detectors of clothes, and of people
CELL = 32  # pixels of a cell of SSD's coarsest map: both sides are multiples of it
SHORTEST, LONGEST = 32, 4  # least shorter side in pixels; largest ratio of the longer side to it
SURE = {"HOG + SVM": 0.0}  # the least score of a shown detection: a margin; for all others a probability
MOST = 10  # the most detections shown per detector
CARRIED = "coffee"  # the photograph shown without --photo; training scenes use others
View = UInt8[np.ndarray, "_ _ 3"]


def resize_to_cells(picture: UInt8[np.ndarray, "height width 3"], longer: int) -> View:
    """The picture with a longer side of about `longer` pixels; both sides are rounded to multiples of CELL."""
    height, width = picture.shape[:2]
    rows, columns = (CELL * max(1, round(longer * side / max(height, width) / CELL)) for side in (height, width))
    return np.array(Image.fromarray(picture).resize((columns, rows), Image.Resampling.LANCZOS))


def check_size(picture: UInt8[np.ndarray, "height width 3"]) -> None:
    """Raise Problem for a picture that is too small or too narrow."""
    height, width = picture.shape[:2]
    if min(height, width) < SHORTEST or max(height, width) > LONGEST * min(height, width):
        raise Problem(
            f"--photo has {width}×{height} pixels, detection needs at least {SHORTEST}×{SHORTEST}, and sides of which "
            f"the longer is at most {LONGEST} times the shorter"
        )


def load_or_train(run: Run, name: str, detector: Kept) -> Any:
    """The detector of this run, or of an earlier one, or else newly trained by its lesson's recipe."""
    with run.method(name, kind=detector.kind) as method:
        if loaded := detector.load(run):
            return loaded
        run.note(f"There is no {detector.path(run).name} of an earlier run: {name} is trained now.")
        return learn(method, detector.name, lambda: detector.build(run), training_scenes(run.scale))


def show(run: Run, figure: str, pictures: list[View], detectors: dict[str, Any], classes: tuple[str, ...]) -> None:
    """Show the detections in the pictures: a figure, and a fact and a note per detector."""
    found: dict[str, list[Target]] = {}
    for name, detector in detectors.items():
        least = SURE.get(name, 0.5)
        all_of_it = [above(detector.predict(picture[None])[0], least) for picture in pictures]
        found[name] = [{key: values[:MOST] for key, values in target.items()} for target in all_of_it]
        count = sum(len(target["labels"]) for target in all_of_it)
        run.fact(f"{figure}: detections with a score above {least:g}, {name}", count)
        best = [f"{classes[label - 1]} {score:.2f}" for target in found[name] for label, score in pairs_of(target)[:3]]
        run.note(f"{name}, {count} detections with a score above {least:g}{': ' if best else ''}{', '.join(best)}.")
    sizes = " and ".join(f"{picture.shape[1]} × {picture.shape[0]}" for picture in pictures)
    run.figure(
        figure, draw_found, pictures, found, classes,
        caption=f"The photograph at {sizes} pixels, and in it, of each detector, the {MOST} detections with the "
        "highest scores, as far as these are above 0.5 (HOG + SVM: above 0).",
    )  # fmt: skip


def pairs_of(target: Target) -> list[tuple[int, float]]:
    """The label and score of each detection."""
    return list(zip(target["labels"].tolist(), target["scores"].tolist(), strict=True))


def lesson(run: Run) -> None:
    picture = photo(CARRIED) if run.photo is None else run.photo
    check_size(picture)
    what = f"scikit-image's “{CARRIED}”; --photo FILE shows one of yours" if run.photo is None else "yours"
    run.note(f"The photograph, {picture.shape[1]} × {picture.shape[0]} pixels, is {what}.")
    run.note(
        "These detectors have been trained on composed scenes of 128 × 128 pixels: Fashion-MNIST's clothes pasted on "
        f"photographs (lesson scenes). They know {len(CLASSES)} classes of clothes and nothing else."
    )
    detectors = {name: load_or_train(run, name, detector) for name, detector in SCENES.items()}
    show(run, "clothes", [resize_to_cells(picture, side) for side in SIDES], detectors, CLASSES)
    people = {name: model for name, each in PEOPLE.items() if (model := each.load(run))}
    if people:
        run.note("These detectors have been trained on people of one film, PETS 2009 S2.L1 (lesson pedestrians).")
        show(run, "people", [resize_to_cells(picture, PEOPLE_SIDE)], people, ("person",))
