"""Trainings that last hours at the full preset keep checkpoints, each its own, and a lesson that goes on from them
measures what it would have measured at once."""

import importlib
import re
from collections import Counter

import pytest
import torch
from threadpoolctl import threadpool_limits

from common import checkpoints
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run

LESSONS = {  # the names of checkpoints that a lesson keeps on carried data
    "images_and_text/alignments": {"model"},
    "images_and_text/attngan": {
        "similarity 0", "similarity 1000", "reader", "words, alone", "words", "sentence, alone", "sentence",
        "words, unmatched",
    },
    "reconstruction/bandpass": {
        "whole images", "band-passed", "base", "bands not normalised", "without low band and place",
    },
    "reconstruction/partial_convolutions": {
        "partial convolutions", "plain, mask as channel", "without the ratio", "padding counts as hidden",
        "partial over both fills", "plain over both fills",
    },
    "reconstruction/pixel_rnn": {"PixelCNN", "PixelCNN, 14 × 14", "Row LSTM, 14 × 14", "Diagonal BiLSTM, 14 × 14"},
    "segmentation/fcn": {
        "classifier", "FCN-4s 0", "base 0", "in stages 0", "in stages 1", "in stages 2", "from scratch 0",
    },
    "segmentation/segnet": {"places", "bilinear", "deconvolution", "copied maps"},
    "super_resolution/lapsrn": {"LapSRN", "pyramid", "×4 in one step", "squared loss", "loss at ×4 alone", "×2 alone"},
}  # fmt: skip
TIMES = re.compile("second")  # in the names of facts


def measured(name, folder):
    """The rows and facts of a lesson at smoke, but for those about time."""
    run = Run(name, 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True), device_name="cpu")
    run.figure = lambda *args, **kwargs: None
    torch.manual_seed(0)
    with threadpool_limits(1):
        importlib.import_module(f"ch07_applications.{name.replace('/', '.')}").lesson(run)
    rows = [(row.method, row.metric, row.value) for row in run.record.rows]
    return rows, [(fact.name, fact.value) for fact in run.record.facts if not TIMES.search(fact.name)]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_that_goes_on_measures_the_same(name, tmp_path, monkeypatch):
    trainings, kept = Counter(), Counter()

    def configuration(training, *others, known=checkpoints.configuration):
        trainings[training.checkpoint.name] += 1
        return known(training, *others)

    def keep(path, *others, known=checkpoints.keep):
        kept[path.name] += 1
        known(path, *others)

    monkeypatch.setattr(checkpoints, "configuration", configuration)
    monkeypatch.setattr(checkpoints, "keep", keep)
    first = measured(name, tmp_path)
    files = {f"{name.replace('/', '_')}-{each}-seed0.pt" for each in LESSONS[name]}
    assert files <= {path.name for path in (tmp_path / "checkpoints").iterdir()} == set(trainings) == set(kept)
    assert set(trainings.values()) == {1}, "two trainings would go on from one checkpoint"
    kept.clear()
    assert measured(name, tmp_path) == first
    assert not kept, "a training that was finished has begun anew"
