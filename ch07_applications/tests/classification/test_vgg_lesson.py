"""VGG's lesson: the training and scoring images of each network, and that variants differ in one thing."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from ch07_applications.classification import vgg
from ch07_applications.classification.cifar import classifier
from ch07_applications.classification.vgg import DEPTHS, GROWN, NORMALISED, ONE_FILTER, OURS, SCALED, SCRATCH
from ch07_applications.classification.weight_starts import stages_of, weighted
from common.ablation import BASE
from common.console import Console
from common.data import Scale
from common.method import Method
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.record import LessonRecord
from common.run import Run
from tests.recorded_lesson import recorded

BY_SGD = (SCRATCH, GROWN, SCALED)
BY_DEPTH = ("4 layers", BASE, "16 layers", ONE_FILTER, NORMALISED)


def unkept(*args, checkpoint=None, **settings):
    """cifar.classifier, without files."""
    return classifier(*args, **settings)


@cache
def at_smoke():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "classifier", unkept)
        patch.setattr(vgg, "score_rivals", lambda run, parts: None)  # rivals have tests of their own
        patch.setattr(vgg.Run, "compare", lambda run, a, b, metric=None: None)
        return recorded(vgg, patch)


@pytest.mark.parametrize("name", [*BY_DEPTH, *BY_SGD])
def test_variants_learn_from_train_and_are_judged_on_validation(name):
    found = at_smoke()
    parts = vgg.cifar(found.run)
    (fit,), (score,) = found.fitted[name], found.scored[name]
    assert np.array_equal(fit.args[1].images, parts.train.images[:64])
    assert np.array_equal(score.args[0].images, parts.validation.images[:64])


def test_the_small_network_learns_from_all_and_sees_test_images_once():
    found = at_smoke()
    parts = vgg.cifar(found.run)
    (fit,), (score,) = found.fitted[OURS], found.scored[OURS]
    assert len(fit.args[1]) == len(parts.whole)
    assert np.array_equal(score.args[0].images, parts.test.images)
    assert (vgg.SHARED, 0) in found.run.shared
    judged = [
        name for name, calls in found.scored.items() if np.array_equal(calls[0].args[0].images, parts.test.images)
    ]
    assert judged == [OURS]


def test_variants_differ_from_the_base_in_one_thing():
    models = {name: at_smoke().run.methods[name].model for name in (*BY_DEPTH, *BY_SGD)}
    rows = {name: str(model.network_.features) for name, model in models.items()}
    assert len({rows[name] for name in (*BY_DEPTH, SCRATCH)}) == len(BY_DEPTH)  # the base's is that of SGD's
    assert {rows[name] for name in BY_SGD} == {rows[BASE]}
    assert [models[name].training.optimiser for name in BY_DEPTH] == [Muon] * len(BY_DEPTH)
    assert {models[name].training.optimiser for name in BY_SGD} == {vgg.paper_sgd}
    assert {models[name].training.learning_rate for name in BY_SGD} == {vgg.FIXED_RATE}
    for model in models.values():
        assert (model.augment, model.mirrored, model.training.batch_size) == (
            models[BASE].augment, models[BASE].mirrored, models[BASE].training.batch_size
        )  # fmt: skip


def test_normalisations_alpha_is_that_of_pixels_from_0_to_255():
    found = at_smoke()
    (layer,) = [layer for layer in found.run.methods[NORMALISED].model.network_.modules() if hasattr(layer, "beta")]
    pixels = vgg.cifar(found.run).train.images[:64].astype(float)
    assert layer.alpha == pytest.approx(5e-4 * pixels.var(), rel=1e-6)


def test_the_optimiser_is_the_papers():
    parameter = torch.nn.Parameter(torch.zeros(1))
    (group,) = vgg.paper_sgd([parameter], lr=0.5).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.5, 0.9, 5e-4)


def test_what_begins_as_a_shallow_network_takes_as_many_steps_in_all(monkeypatch):
    made = []

    def noted(run, build, epochs, **settings):
        made.append((build, unkept(run, build, epochs, **settings)))
        return made[-1][1]

    def noting(method, work, *args):
        timed.append((method.name, work))
        return as_before(method, work, *args)

    timed, as_before = [], Method.time
    monkeypatch.setattr(Method, "time", noting)
    monkeypatch.setattr(vgg, "classifier", noted)
    run = Run("vgg", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console(quiet=True), device_name="cpu")
    parts = vgg.cifar(run)
    few = vgg.replace(parts, train=parts.train.take(slice(8)), validation=parts.validation.take(slice(8)))
    losses = vgg.study_starts(run, few, PaperClaims(run), 4)
    scratch, shallow, grown, scaled = (model for _, model in made)
    assert [model.training.epochs for model in (scratch, shallow, grown, scaled)] == [4, 2, 2, 4]
    assert {len(values) for values in losses.values()} == {4}
    assert (vgg.GROWN, shallow.fit) in timed  # its seconds count the shallow network's
    assert [len(weighted(model.network_)) for model in (scratch, shallow, grown, scaled)] == [8, 4, 8, 8]
    begun = made[2][0]()
    for own, theirs in zip(stages_of(begun), stages_of(shallow.network_), strict=True):
        assert torch.equal(own[0].weight, theirs[0].weight)
    torch.manual_seed(0)
    spreads = [float(stages_of(made[place][0]())[2][2].weight.detach().std()) for place in (0, 2, 3)]
    assert spreads == pytest.approx([vgg.FIXED, vgg.FIXED, (2 / (64 * 9)) ** 0.5], rel=0.05)


def test_what_the_lesson_counts():
    facts = at_smoke().facts
    assert facts["parameters of D"] == pytest.approx(138.357544)
    assert facts["D: receptive field after the last pooling"] == 212
    assert facts["D: share of parameters in dense layers"] == pytest.approx(89.37, abs=0.01)
    what = "D for 32×32 pixels, untrained"
    outputs = [facts[f"{what}, {name}: log10 of the last outputs' deviation"] for name in vgg.STARTS]
    assert outputs[2] < -3 < outputs[0] < 1
    assert all(earlier < later for earlier, later in pairwise(DEPTHS))
