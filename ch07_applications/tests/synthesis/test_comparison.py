"""The comparison of samplers: sampling by passes, shared models, and the scores of each sampler."""

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.reconstruction import cached_sampling
from ch07_applications.reconstruction.pixel_rnn import Bottleneck, DiagonalBiLSTM, PixelNetwork, RowLSTM
from ch07_applications.synthesis import comparison
from ch07_applications.synthesis.comparison import (
    MILLISECONDS,
    SMALL_NATS,
    draw_by_passes,
    judge_digits,
    judge_samples,
    state_floor,
)
from ch07_applications.synthesis.sample_judge import SampleJudge
from ch07_applications.synthesis.sampler_bench import APART, FRECHET, PRECISION, RECALL, Bench
from ch07_applications.tests.synthesis.small_runs import run_of
from common.data import Images

SIZE = (5, 6)
LAYERS = {"PixelCNN": Bottleneck, "Row LSTM": RowLSTM, "Diagonal BiLSTM": DiagonalBiLSTM}


def network(layer, size=SIZE):
    torch.manual_seed(0)
    made = PixelNetwork(layer, 8, 2, size)
    for weights in made.parameters():
        nn.init.normal_(weights, std=0.3)
    return made.eval()


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_rows_so_far_have_the_logits_of_the_whole_image(layer):
    made, images = network(layer), torch.bernoulli(torch.full((3, 1, *SIZE), 0.5))
    with torch.no_grad():
        whole = made(images)
        for rows in range(1, SIZE[0] + 1):
            assert torch.allclose(made(images[:, :, :rows]), whole[:, :, :rows], atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_every_pixel_is_drawn_with_the_probability_of_a_full_pass(layer):
    made = network(layer)
    drawn = torch.tensor(draw_by_passes(made, 7, SIZE, torch.Generator().manual_seed(3))).float()
    uniform = torch.rand(7, *SIZE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():  # the network is causal: the logits of the finished image are those it was drawn with
        chance = made(drawn[:, None])[:, 0].sigmoid()
    assert torch.equal(drawn, (uniform < chance).float())


def test_passes_draw_what_kept_maps_draw():
    made = network(Bottleneck)
    by_passes = draw_by_passes(made, 300, SIZE, torch.Generator().manual_seed(1))
    kept = cached_sampling.sample(made, torch.zeros(300, 1, *SIZE), torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(by_passes, kept[:, 0].byte().numpy())


@pytest.fixture(scope="module")
def bench():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 28, 28)).astype(np.uint8)
    labels = np.arange(120) % 3
    judge = SampleJudge(1).fit(images[:60], labels[:60])
    return Bench(judge, Images(images[60:], labels[60:], np.arange(60)), images[:60])


def test_samples_are_scored_by_all_measures_and_timed(tmp_path, bench):
    run = run_of("synthesis/comparison", tmp_path)
    with run.method("copies", kind="classical") as method:
        drawn = judge_samples(method, bench, lambda: bench.training)
    assert drawn is bench.training
    scores = {row.metric: row.value for row in run.record.rows}
    assert set(scores) == {FRECHET, PRECISION, RECALL, APART, MILLISECONDS}
    assert scores[APART] == pytest.approx(0, abs=0.1)
    assert scores[MILLISECONDS] >= 0


def test_samples_of_another_number_are_refused(tmp_path, bench):
    run = run_of("synthesis/comparison", tmp_path)
    with run.method("few", kind="classical") as method, pytest.raises(ValueError, match="59 samples for 60 real"):
        judge_samples(method, bench, lambda: bench.training[:59])


def test_the_floor_is_of_real_images_alone(tmp_path, bench):
    run = run_of("synthesis/comparison", tmp_path)
    state_floor(run, "real", bench, bench.real.images)
    (fact,) = run.record.facts
    assert fact.name == f"floor of the {FRECHET}, real"
    assert fact.value == pytest.approx(0, abs=1e-3)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A run of the digits at smoke, with the rows of its figure and the models that it shares."""
    run = run_of("synthesis/comparison", tmp_path_factory.mktemp("run"), shared={})
    return run, judge_digits(run)


def test_every_density_has_nats_and_copies_have_none(digits):
    run, rows = digits
    scored = {row.method for row in run.record.rows if row.metric == SMALL_NATS}
    judged = {row.method for row in run.record.rows if row.metric == FRECHET}
    assert judged == set(rows) - {"real images"}
    assert judged - scored == {comparison.REDRAWN}


def test_rows_of_the_figure_show_binary_images(digits):
    for name, images in digits[1].items():
        assert set(np.unique(images)) <= {0, 255}, name
        assert images.shape[1:] == (14, 14)


def test_models_of_earlier_lessons_are_taken_as_they_are(digits, tmp_path):
    run, _ = digits
    again = run_of("synthesis/comparison", tmp_path, shared=run.shared)
    before = dict(run.shared)
    judge_digits(again)
    assert again.shared == before
    for name in (comparison.CNN, comparison.TREES, comparison.pixelcnn.NETWORK):
        assert again.methods[name].model is run.methods[name].model
        assert again.methods[name].fit_seconds == run.methods[name].fit_seconds


def test_the_rank_correlation_is_1_where_nats_and_distances_agree(tmp_path):
    """state_claims takes each density's nats and the distance that goes with its name."""
    run = run_of("synthesis/comparison", tmp_path)
    part = Images(np.zeros((4, 2, 2), np.uint8), np.zeros(4, int), np.arange(4))
    names = (comparison.KERNELS, comparison.CNN, comparison.pixelcnn.NETWORK, comparison.density_bench.TREES)
    others = (comparison.dcgan.DCGAN, comparison.MIXTURE, comparison.CYCLEGAN, comparison.CORAL)
    for place, name in enumerate((*names, *others, comparison.DIAGONAL)):
        with run.method(name, kind="classical") as method:
            method.score_items(RECALL, np.zeros(4), part, unit="%", higher_is_better=True)
            if name in names:
                method.score_items(SMALL_NATS, np.full(4, 3.0 * place), part)
        run.fact(f"{FRECHET}, {name}", 1.0 + place)
        run.fact(f"{MILLISECONDS}, {name}", 1.0 + place)
    comparison.state_claims(run, comparison.PaperClaims(run))
    assert run.record.facts[-1].name == comparison.RANKS
    assert run.record.facts[-1].value == pytest.approx(1)
