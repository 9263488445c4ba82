"""The comparison: which systems are lent by which lesson, recognition, and photographs."""

import numpy as np
import pytest

from ch07_applications.colour import comparison
from ch07_applications.colour.colorful import L2, OURS, colorful, rebalancing, shared
from ch07_applications.colour.comparison import RECOGNISED, classical, colour_photographs, networks, recognise
from ch07_applications.colour.deep_colorization import REFINED
from ch07_applications.colour.lab_pictures import ColourParts, lab_of
from ch07_applications.colour.let_there_be_color import ALPHA, LABELS, VARIANTS
from ch07_applications.colour.luminance_rivals import PIXELS
from ch07_applications.colour.photographs import photograph_part
from ch07_applications.tests.colour.small_runs import coloured_squares, pictures, run_of
from common.method import Method


def parts():
    return ColourParts(coloured_squares(20), coloured_squares(10, 1), coloured_squares(10, 2), ("a", "b"))


def test_systems_are_those_that_the_lessons_report(tmp_path):
    run, given = run_of("colour/comparison", tmp_path), parts()
    systems = networks(run, given)
    assert list(systems) == list(comparison.SYSTEMS) == [L2, OURS, LABELS, REFINED]
    assert VARIANTS[LABELS] == (True, ALPHA)
    fused = systems[LABELS]()
    assert fused.build.args == (True,)
    assert fused.training.loss.keywords == {"alpha": ALPHA}
    assert np.array_equal(fused.labels, given.train.labels)
    weights = systems[OURS]().training.loss.keywords["weights"]
    rare = rebalancing(comparison.Colours.of(given.train.chroma).shares)
    assert weights.numpy() == pytest.approx(rare, rel=1e-5)
    assert colorful(run).training.loss.keywords == {"weights": None}
    assert len({shared(name) for name in [*systems, *classical(run)]}) == 8


def test_a_picture_is_recognised_by_its_own_class(tmp_path):
    part = pictures(6)
    method = Method(run_of("colour/comparison", tmp_path), "one", "deep")
    recognise(method, lambda images: np.array([0, 1, 2, 1, 1, 1]), part, part.images)
    assert method.items[RECOGNISED].values.tolist() == [100, 100, 100, 0, 100, 0]


def test_photographs_are_scored_one_by_one_by_the_root_of_their_mean_error(tmp_path):
    part = photograph_part(2)
    method = Method(run_of("colour/comparison", tmp_path), "one", "deep")
    found = colour_photographs(method, lambda lightness: np.zeros((*lightness.shape, 2)), part)
    chroma = lab_of(part.inputs[1][None])[1]
    values = next(iter(method.items.values())).values
    assert values[1] == pytest.approx(np.sqrt((chroma**2).mean()), rel=1e-4)
    assert found[1].shape == part.inputs[1].shape
    assert np.ptp(found[1].astype(int), axis=-1).max() <= 1


def test_more_pixels_are_tried_on_validation_pictures(tmp_path, monkeypatch):
    asked, given = [], parts()

    class Grey:
        def fit(self, lightness, chroma):
            assert lightness is given.train.lightness
            assert chroma is given.train.chroma
            return self

        def predict(self, lightness):
            assert lightness is given.validation.lightness
            return np.zeros_like(given.validation.chroma)

    def rivals(seed, pixels):
        asked.append(pixels)
        return {"ridge": Grey(), "trees": Grey()}

    run = run_of("colour/comparison", tmp_path)
    monkeypatch.setattr(comparison, "rivals", rivals)
    monkeypatch.setattr(run, "pick", lambda *, smoke, lecture: lecture)
    comparison.study_pixels(run, given)
    assert asked == 2 * [PIXELS] + 2 * [100_000]
    assert len(run.record.facts) == 4
    expected = np.sqrt((given.validation.chroma.astype(float) ** 2).mean())
    assert [fact.value for fact in run.record.facts] == pytest.approx(4 * [expected])
