"""Films cut together from clips: cuts lie where shots change, and invalid films are rejected in one line."""

import os

import numpy as np
import pytest

from ch07_applications.tests.synthesis.small_runs import run_of
from ch07_applications.video import real_clips as module
from ch07_applications.video.frame_descriptors import colour_roots
from ch07_applications.video.real_clips import LONGEST, SHOTS, cut_together, shots_of_clips, study_clips
from ch07_applications.video.summarization import cuts_of
from common.data import Scale
from common.data.clips import CUTS, FRAMES, clips_or_none, read_clip
from common.errors import Problem


def plain_clips():
    """Each true shot in a colour of its own."""
    colours = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=1).astype(np.uint8) * 64 + 32
    made, used = {}, 0
    for name, frames in FRAMES.items():
        shots = used + np.searchsorted(CUTS.get(name, ()), np.arange(frames), side="right")
        made[name], used = colours[shots][:, None, None].repeat(6, 1).repeat(8, 2), int(shots[-1]) + 1
    return made


def test_the_shots_of_clips_have_no_cut():
    shots = shots_of_clips(plain_clips())
    assert [len(shot) for shot in shots] == [30, 46, 61, 50, 55, 8, 132, 120]
    for shot in shots:
        assert (shot == shot[0]).all()


def test_films_change_their_shot_at_every_cut_and_nowhere_else():
    shots = shots_of_clips(plain_clips())
    for seed in range(20):
        frames, cuts = cut_together(shots, seed)
        assert len(cuts) == SHOTS - 1
        changes = 1 + np.flatnonzero((frames[1:] != frames[:-1]).any(axis=(1, 2, 3)))
        assert changes.tolist() == cuts.tolist()
        assert np.diff(np.concatenate([[0], cuts, [len(frames)]])).max() <= LONGEST
        np.testing.assert_array_equal(frames, cut_together(shots, seed)[0])


def test_plain_shots_are_found_by_segmentation(monkeypatch):
    monkeypatch.setattr(module, "clips_or_none", lambda scale, say: plain_clips())
    run = run_of("summary", None)
    study_clips(run, {"segmentation": lambda colours: cuts_of(colours, 0.3), "none": lambda colours: np.array([], int)})
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts == {
        "F1 of cuts of real shots: segmentation": 100.0, "F1 of the cuts of bikes.mp4: segmentation": 100.0,
        "F1 of cuts of real shots: none": 0.0, "F1 of the cuts of bikes.mp4: none": 0.0,
    }  # fmt: skip


def test_a_film_that_cannot_be_read_is_refused(tmp_path):
    pytest.importorskip("cv2")
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no film" * 100)
    with pytest.raises(Problem, match="cannot be read as a video"):
        read_clip(path, 10, (64, 48))


def test_without_the_clips_one_line_says_so(tmp_path):
    pytest.importorskip("cv2")
    lines = []
    assert clips_or_none(Scale("smoke", tmp_path), lines.append) is None
    assert len(lines) == 1
    assert lines[0].startswith("Left out: no film bikes.mp4")
    (tmp_path / "bikes.mp4").write_bytes(b"damaged")
    assert clips_or_none(Scale("smoke", tmp_path), lines.append) is None
    assert "damaged" in lines[1]


def test_real_clips_are_cut_where_an_eye_sees_it():
    pytest.importorskip("cv2")
    found = clips_or_none(Scale("smoke", os.environ.get("VISION_WEIGHTS")), print) or pytest.skip("no clips here")
    assert {name: len(frames) for name, frames in found.items()} == FRAMES
    assert set(CUTS["bikes.mp4"]) <= set(cuts_of(colour_roots(found["bikes.mp4"]), 0.3).tolist())
