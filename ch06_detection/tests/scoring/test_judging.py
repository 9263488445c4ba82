"""The seconds of a detector before its training and scoring, by the same interface for each kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ch06_detection.fast_rcnn import FastRCNN
from ch06_detection.proposals.search import Proposals
from ch06_detection.rcnn import RCNN
from ch06_detection.scoring.judging import judge, learn
from ch06_detection.ssd import SceneSSD
from ch06_detection.trunk.pretraining import TrunkPretraining
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.record import LessonRecord
from common.run import Run

TRUNK = 100.0  # seconds
EACH = 5.0  # seconds for an image's proposals


@pytest.fixture
def run(tmp_path):
    return Run("judging", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def taught_before():
    trunk = TrunkPretraining(None, 1)
    trunk.seconds_ = TRUNK
    return trunk


def made_before(images):
    """Proposals that some images have already, with `seconds` for each."""
    proposals = Proposals(lambda some: [torch.tensor([[0.0, 0, 9, 9]])] * len(some))
    proposals(images)
    proposals.cost = dict.fromkeys(proposals.cost, EACH)
    return proposals


@pytest.mark.parametrize("kind", [RCNN, FastRCNN])
def test_proposals_count_for_the_images_that_a_detector_learns_them_from(images, kind):
    trunk, proposals = taught_before(), made_before(images[:4])
    every_second = kind(proposals, None, 1, trunk, searched=3)
    assert every_second.seconds_before(images) == TRUNK + 2 * EACH  # images 0, 2 and 4; 4 has none yet
    assert kind(proposals, None, 1, None).seconds_before(images) == 4 * EACH
    assert every_second.seconds_for_proposals(images[:3]) == 3 * EACH
    assert len(proposals.kept) == 4  # to ask made none


def test_a_single_shot_detector_was_given_its_trunk_alone(run, images):
    detector = SceneSSD().build(run, 0, taught_before())
    assert detector.seconds_before(images) == TRUNK
    assert SceneSSD().build(run, 0, None).seconds_before(images) == 0
    assert detector.seconds_for_proposals(images) == HOGDetector().seconds_for_proposals(images) == 0
    assert HOGDetector().seconds_before(images) == 0


def test_the_scoreboard_has_what_a_detector_was_given(run):
    part = scenes(run.scale).test.take(slice(4))
    detector = RCNN(made_before(part.images), None, len(part.classes), taught_before())
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}
    # Its proposals are there already: they count once.
    detector.fit = lambda images, targets: detector.proposals(images) and detector
    detector.predict = lambda images: [nothing] * len(images)
    detector.parameters = lambda: iter(())
    with run.method("R-CNN", kind="deep") as method:
        learn(method, "R-CNN", lambda: detector, part)
        judge(method, part)
    assert TRUNK + 4 * EACH < method.fit_seconds < TRUNK + 4 * EACH + 2
    assert 4 * EACH < method.predict_seconds < 4 * EACH + 2
