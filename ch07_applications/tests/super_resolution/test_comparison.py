"""The comparison of super-resolution: who enlarges what, and how it is scored."""

import numpy as np
import pytest

from ch07_applications.super_resolution import comparison
from ch07_applications.super_resolution.bicubic import enlarge
from ch07_applications.super_resolution.comparison import SECONDS, SQUARES, score_photographs, score_squares
from ch07_applications.super_resolution.deep_image_prior import RESOLUTION, TASKS, judged_part
from ch07_applications.super_resolution.drawn_comparison import draw_squares
from ch07_applications.super_resolution.luma_chroma import enlarge_picture
from ch07_applications.super_resolution.picture_pairs import judged_pairs
from common.console import Console
from common.data import Scale
from common.method import Method
from common.metrics.super_resolution import psnr
from common.record import LessonRecord
from common.run import Run


@pytest.fixture
def run(tmp_path):
    return Run("comparison", 3, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))


def test_photographs_are_scored_with_the_seconds_of_a_megapixel(run):
    method, parts = Method(run, "bicubic", "classical"), judged_pairs(run, 4)
    score_photographs(method, None, parts[:1], lambda low: enlarge(low, 4))
    metrics = {row.metric: row for row in run.record.rows}
    assert set(metrics) == {"PSNR ×4", "SSIM ×4", SECONDS}
    assert 0 < metrics[SECONDS].value < 30
    wanted = psnr(parts[0].answers[0], enlarge_picture(parts[0].inputs[0], lambda low: enlarge(low, 4)), 4)
    assert method.items["PSNR ×4"].values[0] == pytest.approx(wanted, abs=0.1)  # luma of a rounded colour picture


def test_squares_are_those_of_deep_image_prior(run):
    part = judged_part(run)
    items = part.damage(TASKS[RESOLUTION], run.seed)
    method = Method(run, "bicubic", "classical")
    answers = [enlarge_picture(item.observation.seen, lambda low: enlarge(low, 4)) for item in items]
    score_squares(method, part, items, answers)
    wanted = [psnr(truth, answer, 4) for truth, answer in zip(part.inputs, answers, strict=True)]
    assert method.items[SQUARES].values == pytest.approx(wanted)


def test_contenders_are_all_methods_but_the_untrained_one(run):
    assert list(comparison.contenders(run)) == ["bicubic", "A+", "LapSRN", "SRResNet", "SRGAN"]


def test_small_pictures_are_drawn_beside_large_ones():
    columns = {"given": [np.zeros((6, 6, 3), np.uint8)], "method": [np.zeros((24, 24, 3), np.uint8)]}
    figure = draw_squares(columns, [0])
    assert [axis.get_title() for axis in figure.axes] == ["given", "method"]
