"""Deep image prior: the paper's network, errors over known pixels only, and a fit without the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.super_resolution import deep_image_prior
from ch07_applications.super_resolution.classical_restoration import RIVALS
from ch07_applications.super_resolution.damaged_photographs import (
    Observation,
    add_noise,
    choosing_squares,
    judged_squares,
    make_holes,
    pixels_of,
    reduce,
)
from ch07_applications.super_resolution.deep_image_prior import (
    BEYOND,
    ERROR,
    EVERY,
    FITTED,
    NOISE,
    ORACLE,
    OURS,
    PHOTO,
    PSNR,
    SHUFFLED,
    STEPS,
    TASKS,
    Recipe,
    SkipNetwork,
    error_of,
    scores_by_step,
)
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run

SMALL = Recipe(steps=40, channels=8, scales=2, inputs=8)


def photograph(side=32):
    return choosing_squares(side, 1).inputs[0]


# --- The network -----------------------------------------------------------------------------------------------------


def test_the_paper_s_network_has_its_parameters_and_the_small_one_a_tenth():
    with torch.device("meta"):
        assert parameters_of(SkipNetwork(channels=128, scales=5, skipped=4, inputs=32)) == 2_217_831
        assert parameters_of(SkipNetwork(channels=32, scales=4)) < 2_217_831 / 10


def test_the_paper_s_maps_are_halved_five_times_and_joined_with_four_channels_each():
    seen = []
    with torch.device("meta"):
        network = SkipNetwork()
        for layer in network.normal:
            layer.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[1:])))
        picture = network(torch.zeros(1, 32, 64, 96))
    assert picture.shape == (1, 3, 64, 96)
    assert seen == [(132, 64 // s, 96 // s) for s in (16, 8, 4, 2, 1)]
    kernels = [layer.kernel_size for layer in network.skip.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(1, 1)] * 5


def test_a_picture_is_between_0_and_1_and_no_border_is_dark_from_padding():
    torch.manual_seed(0)
    network = SkipNetwork(8, 2, inputs=4)
    picture = network(torch.rand(1, 4, 16, 16)).detach()
    assert 0 < float(picture.min()) < float(picture.max()) < 1
    flat = network(torch.ones(1, 4, 16, 16)).detach()  # reflected borders: a constant stays one, to the edge
    assert float(flat.std(dim=(2, 3)).max()) < 1e-3


@pytest.mark.parametrize("size", [(30, 32), (32, 30), (8, 32), (16, 16)])
def test_sizes_that_cannot_be_halved_are_refused(size):
    with pytest.raises(ValueError, match="multiples of 16"):
        SkipNetwork(4, 4, inputs=2)(torch.zeros(1, 2, *size))


# --- The error -------------------------------------------------------------------------------------------------------


def test_the_error_is_the_mean_square_over_what_is_known():
    truth, x = photograph(), torch.rand(1, 3, 32, 32)
    assert float(error_of(Observation(truth))(x)) == pytest.approx(float((x - pixels_of(truth)).square().mean()))
    holes = make_holes(truth, 3).observation
    known = torch.tensor(holes.known)
    expected = (x - pixels_of(truth))[..., known].square().mean()
    assert float(error_of(holes)(x)) == pytest.approx(float(expected), rel=1e-5)
    coarse = reduce(truth, 4)
    assert float(error_of(coarse.observation)(pixels_of(truth))) < 1e-5  # but for rounding to 256 levels
    assert float(error_of(coarse.observation)(x)) > 1e-3


def test_what_lies_in_the_holes_changes_neither_error_nor_gradient_nor_fit():
    """Exactly, not nearly: it must not be known."""
    holes = make_holes(photograph(), 0).observation
    rng = np.random.default_rng(0)
    other = np.where(holes.known[..., None], holes.seen, rng.integers(0, 256, holes.seen.shape)).astype(np.uint8)
    assert (other != holes.seen).any()
    found = []
    for seen in (holes.seen, other):
        x = torch.full((1, 3, 32, 32), 0.4, requires_grad=True)
        error = error_of(replace(holes, seen=seen))(x)
        error.backward()
        answers = SMALL.fit(replace(holes, seen=seen), seed=1).answers
        found.append((float(error.detach()), x.grad.clone(), answers))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])
    assert not found[0][1][..., ~torch.tensor(holes.known)].any()
    hidden = ~holes.known
    assert_array_equal(found[0][2][:, hidden], found[1][2][:, hidden])
    assert (found[0][2][:, holes.known] == holes.seen[holes.known]).all()  # known pixels stay unchanged


# --- The fit ---------------------------------------------------------------------------------------------------------


def test_a_fit_is_repeated_by_its_seed_and_leaves_the_global_generator_alone():
    noisy, before = add_noise(photograph(), 0).observation, torch.get_rng_state()
    first, again, other = (SMALL.fit(noisy, seed) for seed in (0, 0, 1))
    assert_array_equal(first.answers, again.answers)
    assert_array_equal(first.losses, again.losses)
    assert (first.answers != other.answers).any()
    assert torch.equal(before, torch.get_rng_state())
    assert first.answers.shape == (40 // EVERY, 32, 32, 3)
    assert first.losses[-1] < 0.5 * first.losses[0]


def test_normalisation_is_that_of_the_picture_at_hand_at_every_step(monkeypatch):
    """Evaluation mode would use running means, which belong to earlier weights."""
    modes = []
    forward = SkipNetwork.forward

    def watched(self, z):
        modes.extend(layer.training for layer in self.modules() if isinstance(layer, nn.BatchNorm2d))
        return forward(self, z)

    monkeypatch.setattr(SkipNetwork, "forward", watched)
    replace(SMALL, steps=3).fit(Observation(photograph()), 0)
    assert modes
    assert all(modes)


def test_each_step_shakes_z_anew_around_the_same_place(monkeypatch):
    given = []
    forward = SkipNetwork.forward
    monkeypatch.setattr(SkipNetwork, "forward", lambda self, z: given.append(z.clone()) or forward(self, z))
    replace(SMALL, steps=30).fit(Observation(photograph()), 0)
    stacked = torch.stack(given)
    assert float(stacked.std(dim=0).mean()) == pytest.approx(0.03, rel=0.1)
    middle = stacked.mean(dim=0)
    assert float(middle.mean()) == pytest.approx(0.05, abs=0.003)  # uniform in 0 … 0.1
    assert float(middle.std()) == pytest.approx(0.1 / 12**0.5, rel=0.15)
    given.clear()
    replace(SMALL, steps=2, shaking=0.0).fit(Observation(photograph()), 0)
    assert torch.equal(*given)


def test_the_answer_is_a_moving_average_of_outputs(monkeypatch):
    outputs = []
    forward = SkipNetwork.forward

    def kept(self, z):
        outputs.append(forward(self, z))
        return outputs[-1]

    monkeypatch.setattr(SkipNetwork, "forward", kept)
    fit = replace(SMALL, steps=20, averaging=0.9).fit(Observation(photograph()), 0)
    mean = torch.stack(outputs[:10]).mean(dim=0)  # at first the mean of all
    for x in outputs[10:]:
        mean = 0.9 * mean + 0.1 * x
    expected = 255 * mean.detach()[0].permute(1, 2, 0).numpy()
    assert np.abs(fit.answers[-1] - expected).max() <= 0.51
    outputs.clear()
    fit = replace(SMALL, steps=10, averaging=0.0).fit(Observation(photograph()), 0)
    assert np.abs(fit.answers[-1] - 255 * outputs[-1].detach()[0].permute(1, 2, 0).numpy()).max() <= 0.51


def test_a_photograph_is_fitted_sooner_than_its_shuffled_pixels_and_than_noise():
    rng, picture = np.random.default_rng(0), photograph(48)
    shuffled = rng.permutation(picture.reshape(-1, 3)).reshape(picture.shape)
    noise = rng.integers(0, 256, picture.shape, dtype=np.uint8)
    recipe = Recipe(steps=60, channels=16, scales=3, inputs=8, shaking=0.0, averaging=0.0)
    errors = [recipe.fit(Observation(each), 0).losses[-1] / (each / 255).var() for each in (picture, shuffled, noise)]
    assert 2 * errors[0] < errors[1]
    assert 3 * errors[0] < errors[2]


def test_a_picture_of_one_colour_is_fitted_and_a_grey_one_is_refused():
    flat = np.full((16, 16, 3), 200, np.uint8)
    fit = replace(SMALL, steps=150, rate=0.05).fit(Observation(flat), 0)
    assert np.abs(fit.answers[-1].astype(int) - 200).max() < 12
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        pixels_of(flat[..., 0])


# --- The lesson ------------------------------------------------------------------------------------------------------


def test_steps_are_looked_at_and_lie_before_the_last_one():
    assert set(STEPS) == set(TASKS) == set(RIVALS) == set(PSNR)
    assert all(steps % EVERY == 0 for steps in STEPS.values())
    assert all(steps % EVERY == 0 for steps in BEYOND.values())
    assert BEYOND.keys() == STEPS.keys()
    assert len(np.unique(judged_squares(32, FITTED).groups)) == 3 < len(FITTED)


def test_no_photograph_is_both_chosen_on_and_judged():
    chosen, judged = choosing_squares(32), judged_squares(32)
    assert not {each.tobytes() for each in chosen.inputs} & {each.tobytes() for each in judged.inputs}
    assert (len(chosen), len(judged)) == (12, 7)
    assert len(np.unique(judged.groups)) == 6  # two are by one photographer
    assert all(np.ptp(each, axis=2).any() for each in chosen.inputs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    scale = Scale("smoke", folder)
    run = Run("super_resolution/deep_image_prior", 0, scale, LessonRecord("", ""), folder, Console(quiet=True))
    deep_image_prior.lesson(run)
    return run


def test_the_lesson_scores_every_method_and_its_best_step_is_no_worse_than_the_fixed_one(run):
    assert {PHOTO, SHUFFLED, NOISE, OURS, ORACLE}.union(*RIVALS.values()) == set(run.methods)
    for metric in PSNR.values():
        ours, best = (run.methods[name].items[metric].values for name in (OURS, ORACLE))
        assert (best >= ours).all()
    assert list(run.methods[PHOTO].items) == [ERROR]
    assert run.methods[ORACLE].kind == "reference"
    assert {picture.name for picture in run.record.pictures} == {"fits", "restored", "progress"}
    for picture in run.record.pictures:
        assert judged_squares(32).credits[0] in picture.caption


def test_the_score_is_of_the_fixed_step_and_not_of_another(run):
    items = judged_squares(32, range(2)).damage(TASKS["denoising"], 0)
    recipe = Recipe(2 * EVERY, channels=8, scales=3)
    values = scores_by_step(items, [recipe.fit(each.observation, 0) for each in items])
    assert values.shape == (2, 2)
    assert_array_equal(run.methods[OURS].items[PSNR["denoising"]].values, values[:, 0])
    assert_array_equal(run.methods[ORACLE].items[PSNR["denoising"]].values, values.max(axis=1))
