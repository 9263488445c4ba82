"""Cuts in real clips, with settings chosen on films of drawn people: does segmentation work on real pictures?

Films are cut together from stretches of eight real shots, so that their cuts are known; one clip has its own cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ch07_applications.video.edited_films import SHORTEST, splice
from ch07_applications.video.frame_descriptors import colour_roots
from ch07_applications.video.summary_measures import cuts_f1
from common.data.clips import CUTS, clips_or_none
from common.run import Run

FILMS, SHOTS, LONGEST = 40, 8, 28  # composed films; stretches per film; the most frames of a stretch
Frames = UInt8[np.ndarray, "_ height width 3"]
FindCuts = Callable[[Float32[np.ndarray, "frames bins"]], Int64[np.ndarray, "cuts"]]  # from the roots of histograms


def shots_of_clips(clips: Mapping[str, Frames]) -> list[Frames]:
    """The shots of all clips, without a cut in any."""
    pairs = ((frames, CUTS.get(name, ())) for name, frames in clips.items())
    return [shot for frames, cuts in pairs for shot in np.split(frames, cuts) if len(shot) >= SHORTEST]


def cut_together(shots: list[Frames], seed: int) -> tuple[Frames, Int64[np.ndarray, "cuts"]]:
    """A film of stretches of these shots, neighbours from different ones, and the first frames of all but the first."""
    rng, order = np.random.default_rng(seed), []
    while len(order) < SHOTS:
        some = rng.permutation(len(shots)).tolist()
        order += some if not order or some[0] != order[-1] else some[1:]
    pieces = []
    for place in order[:SHOTS]:
        length = min(len(shots[place]), int(rng.integers(SHORTEST, LONGEST + 1)))
        first = int(rng.integers(len(shots[place]) - length + 1))
        pieces.append((shots[place][first : first + length], place))
    film = splice(pieces, np.zeros(SHOTS - 1, bool))
    return film.frames, film.cuts


def study_clips(run: Run, ways: Mapping[str, FindCuts]) -> None:
    """State the F1 of each method's cuts as facts: eight shots are too few for a test."""
    clips = clips_or_none(run.scale, run.note)
    if clips is None:
        return
    shots = shots_of_clips(clips)
    films = [cut_together(shots, seed) for seed in range(run.pick(smoke=2, lecture=FILMS))]
    for name, find in ways.items():
        found = [cuts_f1(find(colour_roots(frames)), cuts) for frames, cuts in films]
        run.fact(f"F1 of cuts of real shots: {name}", float(np.mean(found)), "%")
        own = cuts_f1(find(colour_roots(clips["bikes.mp4"])), np.array(CUTS["bikes.mp4"]))
        run.fact(f"F1 of the cuts of bikes.mp4: {name}", own, "%")
