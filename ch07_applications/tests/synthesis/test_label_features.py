"""What features are worth: a fast kernel of equal results, the features of each stage, and HOG beside them."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import linear_kernel
from sklearn.pipeline import make_pipeline
from torch import manual_seed
from torch.nn.functional import adaptive_max_pool2d

from ch07_applications.synthesis import label_features as module
from ch07_applications.synthesis.dcgan import Discriminator, features_of
from ch07_applications.synthesis.dcgan_recipes import Plan
from ch07_applications.synthesis.fashion_parts import FashionParts, pixels_of
from ch07_applications.synthesis.label_features import (
    ALL_STAGES,
    CELLS,
    HISTOGRAMS,
    TOGETHER,
    VALIDATED,
    columns_of,
    scaled_svm,
    study_stages,
)
from ch07_applications.tests.synthesis.small_runs import run_of
from common.data import Images


def test_both_kernels_give_the_same_classifier():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(90, 12)), np.repeat(np.arange(3), 30)
    features[:, 0] += labels
    first, second = (make_pipeline(*scaled_svm(kernel)).fit(features, labels) for kernel in ("linear", linear_kernel))
    assert first[-1].best_params_ == second[-1].best_params_
    more = rng.normal(size=(50, 12))
    np.testing.assert_allclose(first.decision_function(more), second.decision_function(more), atol=1e-6)


def test_the_columns_of_a_stage_are_its_pooled_maps():
    manual_seed(0)
    discriminator = Discriminator(Plan(widths=(16, 8, 4))).eval()
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
    columns = columns_of([stage[0].out_channels for stage in discriminator.stages])
    assert list(columns) == ["stage 1", "stage 2", "stage 3", ALL_STAGES]
    found = features_of(discriminator, images)
    for name, maps in zip(columns, discriminator.maps(pixels_of(images)), strict=False):
        wanted = adaptive_max_pool2d(maps, 4).flatten(1).detach().numpy()
        np.testing.assert_allclose(found[:, columns[name]], wanted, rtol=1e-4, atol=1e-5)
    assert found[:, columns[ALL_STAGES]].shape == found.shape


@pytest.fixture
def studied(tmp_path, monkeypatch):
    """Facts and the record of images whose label is one pixel, which the second of two stages reads; HOG knows half."""
    rng = np.random.default_rng(0)

    def part(n, first):
        labels = np.arange(n) % 4
        images = rng.integers(0, 10, (n, 28, 28)).astype(np.uint8)
        images[:, 0, 0] = 60 * labels
        return Images(images, labels, np.arange(first, first + n))

    def describe(images):
        noise = np.random.default_rng(len(images)).normal(size=(len(images), 3 * CELLS))
        noise[:, CELLS:] = 0  # a column that is the same everywhere is not scaled
        noise[:, CELLS : CELLS + 4] = 1000 * (images[:, 0, :1] == 60 * np.arange(4))
        return noise

    def halves(run, parts):
        return lambda images: np.repeat(images[:, 0, :1] >= 120, 5, axis=1).astype(float)

    monkeypatch.setattr(module, "describe_gradients", halves)
    parts = FashionParts(part(80, 0), part(40, 80), part(60, 120), tuple("abcd"))
    run = run_of("synthesis/dcgan", tmp_path)
    with run.method(HISTOGRAMS, kind="classical") as method:
        method.score(parts.test, lambda images: 2 * (images[:, 0, 0] >= 120))
    study_stages(run, parts, parts.train, describe, (1, 2))
    return {fact.name: fact.value for fact in run.record.facts}, run


def test_each_stage_is_judged_by_its_own_features(studied):
    facts, _ = studied
    assert list(facts) == [f"{VALIDATED}, {k}" for k in ("stage 1", "stage 2", ALL_STAGES, HISTOGRAMS, TOGETHER)]
    assert facts[f"{VALIDATED}, stage 1"] < 50
    assert facts[f"{VALIDATED}, stage 2"] == facts[f"{VALIDATED}, {ALL_STAGES}"] == 100
    assert facts[f"{VALIDATED}, {HISTOGRAMS}"] == 50
    assert facts[f"{VALIDATED}, {TOGETHER}"] == 100


def test_what_stages_add_to_hog_is_scored_on_test_images(studied):
    _, run = studied
    (row,) = (row for row in run.record.rows if row.method == TOGETHER)
    assert (row.metric, row.value, row.n, row.parameters) == ("accuracy", 100, 60, None)
    assert list(run.pairs) == [(TOGETHER, HISTOGRAMS, "accuracy")]
