"""Neural style: errors and gradients as in the paper, Gram matrices without places, a search without limits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from ch07_applications.style import gatys
from ch07_applications.style.gatys import (
    CONTENT,
    LOSS,
    OURS,
    STYLE,
    Activations,
    Loss,
    Recipe,
    content_error,
    gram,
    search,
    style_error,
)
from ch07_applications.style.pixels import inputs_of, noise, picture_of, total_variation
from ch07_applications.style.style_judge import TO_COLOURS, TO_CONTENT, TO_STYLE
from ch07_applications.style.styles import Pairs
from ch07_applications.tests.style.small_networks import small_judge, small_vgg
from common.console import Console
from common.data import Scale
from common.data.weights import imagenet_inputs
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run


def picture(seed=0, size=(32, 48)):
    small = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 3))
    return small.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def maps(seed=0, filters=5, size=(4, 6)):
    return torch.rand((1, filters, *size), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    return small_vgg()


# --- Errors -----------------------------------------------------------------------------------------------------------


def test_a_gram_matrix_is_of_all_places_and_knows_none():
    f = maps()
    assert torch.allclose(gram(f), torch.einsum("ihw,jhw->ij", f[0], f[0]))
    shuffled = f.flatten(2)[..., torch.randperm(24, generator=torch.Generator().manual_seed(1))].view_as(f)
    assert torch.allclose(gram(shuffled), gram(f), atol=1e-5)
    assert not torch.allclose(gram(f.flip(1)), gram(f))
    assert torch.linalg.eigvalsh(gram(f)).min() > -1e-4


def test_the_style_s_error_is_the_paper_s_where_both_pictures_have_one_size():
    f, a = maps(0), maps(1)
    n, m = 5, 24
    expected = ((gram(f) - gram(a)) ** 2).sum() / (4 * n**2 * m**2)  # Eq. (4)
    assert float(style_error(f, gram(a), m)) == pytest.approx(float(expected), rel=1e-5)


def test_a_style_of_another_size_with_the_same_statistics_is_no_error():
    f = maps()
    assert float(style_error(f, gram(torch.cat([f, f], dim=3)), 48)) == pytest.approx(0, abs=1e-9)


def test_gradients_are_those_of_the_paper():
    """Eq. (2): F − P where F > 0. Eq. (6): Fᵀ (G − A) / (N² M²) where F > 0."""
    given, wanted = maps(0) - 0.4, maps(1)
    for error, expected in (
        (lambda f: content_error(f, wanted), lambda f: (f - wanted)[0].flatten(1)),
        (
            lambda f: style_error(f, gram(wanted), 24),
            lambda f: (gram(f) - gram(wanted)) @ f[0].flatten(1) / (25 * 24**2),
        ),
    ):
        before = given.clone().requires_grad_()
        error(before.relu()).backward()
        analytic = expected(given.relu()) * (given[0].flatten(1) > 0)
        assert torch.allclose(before.grad[0].flatten(1), analytic, atol=1e-6)


def test_terms_are_0_for_the_picture_itself_and_1_for_activations_of_zero(network, monkeypatch):
    loss = Loss(network, picture(0), picture(1))
    content, _ = loss.terms(inputs_of(picture(0)))
    _, style = loss.terms(inputs_of(picture(1)))
    assert float(content) == pytest.approx(0, abs=1e-9)
    assert float(style) == pytest.approx(0, abs=1e-9)
    real = loss.activations
    monkeypatch.setattr(loss, "activations", lambda x: {name: 0 * found for name, found in real(x).items()})
    assert [float(term) for term in loss.terms(inputs_of(picture(2)))] == pytest.approx([1, 1])


def test_the_weight_counts_style_and_a_reconstruction_has_one_term(network):
    pixels = inputs_of(picture(2))
    content, style = Loss(network, picture(0), picture(1)).terms(pixels)
    for weight in (0.5, 4.0):
        whole = Loss(network, picture(0), picture(1), weight, smoothness=0.0)(pixels)
        assert float(whole) == pytest.approx(float(content + weight * style), rel=1e-5)
    assert float(Loss(network, content=picture(0), smoothness=0.0)(pixels)) == pytest.approx(float(content), rel=1e-5)
    assert float(Loss(network, style=picture(1), smoothness=0.0)(pixels)) == pytest.approx(float(style), rel=1e-5)


def test_total_variation_is_that_of_neighbours():
    ramp = torch.arange(4.0).expand(1, 3, 5, 4)
    assert float(total_variation(ramp)) == pytest.approx(5 * 3 / 20)
    assert float(total_variation(torch.ones(1, 3, 4, 4))) == 0


# --- The network ------------------------------------------------------------------------------------------------------


def test_activations_are_those_of_the_stack(network):
    pixels = inputs_of(picture())
    names = ("relu1_1", "relu3_1", "relu4_2")
    nodes = {str(network.layers[name]): name for name in names}
    expected = create_feature_extractor(network.features, nodes)(pixels)
    found = Activations(network, names, average=False)(pixels)
    assert set(found) == set(names)
    assert all(torch.allclose(found[name], expected[name]) for name in names)


def test_average_pooling_replaces_every_maximum_and_leaves_the_network_alone(network):
    average = Activations(network, STYLE)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in average.stack)
    assert sum(isinstance(layer, nn.AvgPool2d) for layer in average.stack) == 4
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network.features) == 5
    assert len(Activations(network, ("relu2_1",)).stack) == network.layers["relu2_1"] + 1  # nothing beyond is computed


# --- The search -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["L-BFGS", "Adam"])
def test_the_search_finds_a_minimum_beyond_black_and_white(optimiser):
    """Pixels are free on their way: the minimum of a parabola is found where no colour of a screen lies."""
    wanted = torch.full((1, 3, 4, 4), 9.0)
    pixels, losses = search(lambda x: (x - wanted).square().sum(), torch.zeros(1, 3, 4, 4), 400, optimiser)
    assert torch.allclose(pixels, wanted, atol=0.3)
    assert losses[-1] < 1e-2 * losses[0]
    assert (picture_of(pixels) == 255).all()


@pytest.mark.parametrize("optimiser", ["L-BFGS", "Adam"])
def test_the_search_evaluates_as_often_as_it_says_and_changes_neither_start_nor_network(network, optimiser):
    start, before = inputs_of(picture()), [p.clone() for p in network.features.parameters()]
    kept = start.clone()
    _, losses = search(Loss(network, picture(0), picture(1)), start, 12, optimiser)
    assert 13 <= len(losses) <= 14  # with that of the result; a line search may end one later
    assert torch.equal(start, kept)
    assert all(torch.equal(a, b) for a, b in zip(before, network.features.parameters(), strict=True))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimiser", ["L-BFGS", "Adam"])
@pytest.mark.parametrize("evaluations", [5, 6, 7])
def test_the_last_loss_is_that_of_the_pixels_that_are_returned(optimiser, evaluations):
    """At the kinks of this loss, L-BFGS rejects the pixels of its fifth and seventh evaluation."""
    start = torch.tensor([-1.2, 1.0]).repeat(1, 3, 1, 1)
    pixels, losses = search(lambda x: x.abs().sum(), start, evaluations, optimiser)
    assert losses[-1] == float(pixels.abs().sum())


def test_restyling_returns_the_loss_of_its_picture(network):
    """Almost: the picture's pixels are clipped and rounded."""
    found, losses = Recipe(evaluations=3, optimiser="Adam").restyle(network, picture(0), picture(1))
    own = float(Loss(network, picture(0), picture(1))(inputs_of(found)))
    assert abs(losses[-1] - own) < 0.1 * abs(losses[-2] - own)


def test_a_picture_comes_back_as_it_was():
    given = picture(3)
    assert_array_equal(picture_of(inputs_of(given)), given)
    assert torch.equal(inputs_of(given), imagenet_inputs(given[None]))
    assert torch.equal(noise((4, 5), 2), noise((4, 5), 2))
    assert not torch.equal(noise((4, 5), 2), noise((4, 5), 3))


def test_more_weight_brings_the_style_s_error_down_and_the_content_s_up(network):
    terms = []
    for weight in (1e-3, 100.0):
        found, _ = Recipe(weight, evaluations=40, smoothness=0.0, start="photograph").restyle(
            network, picture(0), picture(1)
        )
        terms.append([float(term) for term in Loss(network, picture(0), picture(1)).terms(inputs_of(found))])
    assert terms[1][1] < terms[0][1]
    assert terms[1][0] > terms[0][0]


@pytest.mark.parametrize(
    "change",
    [{"sizes": (0.5, 1.0)}, {"start": "noise"}, {"start": "photograph"}, {"content": "relu2_2"}, {"average": False}],
)
def test_changes_of_the_recipe_change_the_picture_and_keep_its_size(network, change):
    base = Recipe(evaluations=6)
    found, _ = replace(base, **change).restyle(network, picture(0), picture(1, (40, 40)))
    assert found.shape == picture(0).shape
    assert (found != base.restyle(network, picture(0), picture(1, (40, 40)))[0]).any()


def test_a_picture_of_one_colour_and_one_that_is_as_small_as_a_layer_needs(network):
    flat = np.full((16, 16, 3), 128, np.uint8)
    found, losses = Recipe(evaluations=4).restyle(network, flat, picture(1))
    assert found.shape == flat.shape
    assert np.isfinite(losses).all()


# --- The lesson -------------------------------------------------------------------------------------------------------


def a_run(folder, **more):
    return Run("style/gatys", 0, Scale("smoke", folder), LessonRecord("", ""), folder, Console(quiet=True), **more)


def tiny_pairs(side, most=None):
    contents, styles = [tuple(picture(seed, (side, side)) for seed in seeds) for seeds in ((0, 1), (2, 3))]
    return Pairs(contents, styles, ("a", "b"))


@pytest.fixture
def with_networks(monkeypatch):
    monkeypatch.setattr(gatys, "vgg_or_none", lambda *_: small_vgg())
    monkeypatch.setattr(gatys, "squeezenet_or_none", lambda *_: small_judge())
    monkeypatch.setattr(gatys, "judged_pairs", tiny_pairs)


def test_the_lesson_scores_all_weights_and_both_rivals_on_the_same_pairs(with_networks, tmp_path):
    run = a_run(tmp_path)
    gatys.lesson(run)
    assert list(run.methods) == [gatys.COLOURS, gatys.QUILTING, *OURS]
    for name, method in run.methods.items():
        assert set(method.items) == {TO_COLOURS, TO_STYLE, TO_CONTENT} | ({LOSS} if name in OURS else set())
        assert method.fit_seconds > 0
    assert {picture.name for picture in run.record.pictures} == {"gallery", "layers"}
    facts = {f"photograph from {name}, PSNR" for name in STYLE} | {"content distance of two photographs"}
    assert {fact.name for fact in run.record.facts} == facts
    assert CONTENT in small_vgg().layers


def test_without_networks_the_lesson_says_so_and_shows_the_rivals(tmp_path):
    run = a_run(tmp_path)
    gatys.lesson(run)
    assert sum("Left out" in note for note in run.record.notes) == 2
    assert list(run.methods) == [gatys.COLOURS, gatys.QUILTING]
    assert {row.metric for row in run.record.rows} == {TO_COLOURS}
    assert {picture.name for picture in run.record.pictures} == {"gallery"}


def test_the_reader_s_own_photograph_is_reduced_and_restyled(with_networks, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("ch07_applications.style.own_photo.LONGEST", 64)
    monkeypatch.setattr("ch07_applications.style.own_photo.draw_photo", seen.append)
    monkeypatch.setattr(
        Run, "figure", lambda self, name, draw, *args, caption, **more: draw(*args) if name == "photo" else None
    )
    run = a_run(tmp_path, photo=picture(0, (96, 160)))
    gatys.lesson(run)
    (found,) = seen
    assert list(found) == ["your photograph", "painting", "moss", "stained glass"]
    assert {each.shape for each in found.values()} == {(38, 64, 3)}
    assert any("three styles, 64 × 38 pixels" in note for note in run.record.notes)


def test_a_photograph_that_is_too_small_is_a_problem(with_networks, tmp_path):
    with pytest.raises(Problem, match="--photo has 40×31 pixels, style transfer needs at least 32×32"):
        gatys.lesson(a_run(tmp_path, photo=picture(0, (32, 40))[:31]))
