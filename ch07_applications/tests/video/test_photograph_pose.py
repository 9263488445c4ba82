"""BlazePose as a reference: landmarks land where they are, left stays left, and a reader's photograph is drawn.

The tests of the real network need its file in the folder of the full sets, or in the one that VISION_WEIGHTS names.
"""

import os

import numpy as np
import pytest
import torch

from ch07_applications.video import photograph_pose as module
from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.people import Studio
from ch07_applications.video.photograph_pose import LIMBS, find_joints, squares_of
from ch07_applications.video.posed_people import KINDS, MIRRORED, PosedPeople, frames_of, pck
from ch07_applications.video.views import around_boxes, into_views
from common.console import Console
from common.data import Scale
from common.data.blazepose import LANDMARKS, SIDE, BlazePose, blazepose_or_none
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run

# MediaPipe's names of the landmarks that are joints here
# (https://github.com/google-ai-edge/mediapipe/blob/master/docs/solutions/pose.md)
NAMES = {
    11: "left shoulder", 12: "right shoulder", 13: "left elbow", 14: "right elbow", 15: "left wrist",
    16: "right wrist", 23: "left hip", 24: "right hip", 25: "left knee", 26: "right knee", 27: "left ankle",
    28: "right ankle",
}  # fmt: skip


class Known(BlazePose):
    """Gives landmarks that are known, in place of the network's."""

    def __init__(self, landmarks):
        super().__init__(None)
        self.known = iter(landmarks)

    def landmarks(self, crops):
        assert crops.shape[1:] == (3, SIDE, SIDE)
        assert 0 <= crops.min() <= crops.max() <= 1
        return np.stack([next(self.known) for _ in crops])


def test_each_landmark_is_the_joint_of_its_name():
    assert tuple(NAMES[landmark] for landmark in LIMBS) == JOINTS[:12]


def test_landmarks_of_squares_around_people_are_joints_in_pictures():
    people = frames_of(Studio(part="validation", side=64, frames=2).shoot(35, 0))
    views = around_boxes(people.boxes, people.side, SIDE)
    inside = into_views(torch.tensor(people.joints), views).numpy()
    landmarks = np.zeros((len(people), LANDMARKS, 2), np.float32)
    landmarks[:, LIMBS] = inside[:, :12]
    landmarks[:, 0] = inside[:, 13]
    found = find_joints(Known(landmarks), people, views)
    np.testing.assert_allclose(found[:, :12], people.joints[:, :12], atol=1e-3)
    np.testing.assert_allclose(found[:, 13], people.joints[:, 13], atol=1e-3)
    np.testing.assert_allclose(found[:, 12], people.joints[:, (8, 9)].mean(axis=1), atol=1e-3)


def test_a_photograph_is_cut_to_its_middle_and_a_small_one_is_refused():
    photo = np.zeros((300, 600, 3), np.uint8)
    photo[:, 150:450] = 200
    small, large = squares_of(photo)
    assert (small.side, large.side) == (64, SIDE)
    assert (small.images == 200).all()
    assert (large.images == 200).all()
    with pytest.raises(Problem, match="at least 64×64"):
        squares_of(np.zeros((63, 200, 3), np.uint8))


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("cv2")
    found = blazepose_or_none(Scale("smoke", os.environ.get("VISION_WEIGHTS")), print)
    return found or pytest.skip("BlazePose's file is not here")


def test_the_real_network_finds_drawn_people_and_takes_left_for_right_in_a_mirror(network):
    people = frames_of(Studio(part="validation", side=64, frames=2).shoot(12, 0))
    found = find_joints(network, people, around_boxes(people.boxes, people.side, SIDE))
    assert pck(found, people, KINDS["shoulders"])[0].mean() > 65
    assert pck(found, people, range(12))[0].mean() > 55
    flipped = people.joints[:, MIRRORED].copy()
    flipped[..., 0] = people.side - flipped[..., 0]
    boxes = people.boxes[:, [2, 1, 0, 3]].copy()
    boxes[:, [0, 2]] = people.side - boxes[:, [0, 2]]
    mirrored = PosedPeople(np.ascontiguousarray(people.images[:, :, ::-1]), flipped, boxes, people.groups)
    again = find_joints(network, mirrored, around_boxes(boxes, people.side, SIDE))
    assert pck(again, mirrored, range(12))[0].mean() > 55


def test_both_networks_are_drawn_on_the_reader_s_photograph(tmp_path, monkeypatch):
    figures = {}
    run = Run("video/pose", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))
    own = squares_of(np.full((80, 90, 3), 90, np.uint8))
    run.figure = lambda name, draw, *args, caption: figures.update({name: args})

    class Hourglass:
        def predict(self, people, views):
            return np.full((1, 14, 2), 16.0, np.float32)

    people = frames_of(Studio(part="validation", side=64, frames=2).shoot(1, 0))
    monkeypatch.setattr(module, "blazepose_or_none", lambda scale, say: None)
    module.show_reference(run, Hourglass(), people, own)
    photo, joints = figures["photo"]
    assert photo.shape == (SIDE, SIDE, 3)
    assert list(joints) == ["stacked hourglass"]
    np.testing.assert_array_equal(joints["stacked hourglass"], 64)  # in pixels of the larger square
    known = Known(np.full((3, LANDMARKS, 2), 64, np.float32))
    monkeypatch.setattr(module, "blazepose_or_none", lambda scale, say: known)
    module.show_reference(run, Hourglass(), people, own)
    photo, joints = figures["photo"]
    np.testing.assert_allclose(joints["BlazePose"], 64)
    assert {row.metric for row in run.record.rows} == {f"PCK@0.2, {kind}" for kind in module.SCORED}
