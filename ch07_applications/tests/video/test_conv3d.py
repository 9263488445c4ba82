"""3-D convolutions: the published network layer by layer, the hardwired layer, and who can see the order of frames."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.tests.synthesis.small_runs import run_of
from ch07_applications.video import conv3d as module
from ch07_applications.video.conv3d import (
    EVERY,
    OF_ONE_FRAME,
    ActionClassifier,
    ActionNetwork,
    Dense,
    PublishedNetwork,
    SpaceTime,
    Subsampling,
    filters_and_others,
    shuffled,
    train,
)
from ch07_applications.video.hardwired import FilmMaps, hardwired, mirrored, spread
from ch07_applications.video.motions import ACTIONS, BACKWARDS
from ch07_applications.video.people import Studio


@pytest.fixture(scope="module")
def films():
    return Studio(side=32, frames=8).shoot(12)


@pytest.fixture(scope="module")
def maps(films):
    return hardwired(films.films)


def network(**how):
    torch.manual_seed(0)
    built = ActionNetwork(12, widths=(6, 8, 8, 8), **how)
    built(torch.zeros(2, 5, 8, 32, 32))
    return built.eval()


# --- The published network --------------------------------------------------------------------------------------------


def test_the_published_network_has_the_paper_s_parameters_layer_by_layer():
    counts = {name: parameters_of(layer) for name, layer in PublishedNetwork().named_children()}
    assert counts == {"C2": 1480, "S3": 92, "C4": 3810, "S5": 156, "C6": 289_536, "output": 384}
    assert sum(counts.values()) == 295_458


def test_the_published_network_has_the_paper_s_maps():
    built = PublishedNetwork()
    shapes = {}
    for name, layer in built.named_children():
        layer.register_forward_hook(lambda _, __, found, name=name: shapes.update({name: found}))
    torch.manual_seed(0)
    assert built(torch.randn(2, 5, 7, 60, 40)).shape == (2, 3)
    for name, count, size in (("C2", 46, (54, 34)), ("S3", 46, (27, 17)), ("C4", 78, (21, 12)), ("S5", 78, (7, 4))):
        assert sum(kind.shape[1] * kind.shape[2] for kind in shapes[name]) == count
        assert {tuple(kind.shape[3:]) for kind in shapes[name]} == {size}
    assert [kind.shape[2] for kind in shapes["C4"]] == [3, 3, 3, 2, 2]
    assert shapes["C6"].shape == (2, 128)


def test_hardwired_maps_of_seven_frames_are_33():
    """Seven of grey levels and of each gradient, six of each flow: the value in place of the seventh has no effect."""
    torch.manual_seed(0)
    built, maps = PublishedNetwork().eval(), torch.randn(1, 5, 7, 60, 40)
    changed = maps.clone()
    changed[:, 3:, 6] = 9
    torch.testing.assert_close(built(maps), built(changed))
    changed[:, 2, 6] = 9
    assert (built(maps) - built(changed)).abs().max() > 1e-4


def test_sets_of_filters_and_kinds_of_maps_do_not_mix():
    layer = PublishedNetwork().C4
    kinds = [torch.randn(1, 2, 5 if k < 3 else 4, 27, 17) for k in range(5)]
    before = layer(kinds)
    kinds[1] = kinds[1].clone()
    kinds[1][:, 1] += 1
    after = layer(kinds)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True, True, True]
    assert torch.equal(before[1][:, :3], after[1][:, :3])
    assert not torch.isclose(before[1][:, 3:], after[1][:, 3:]).all()


def test_subsampling_is_a_mean_times_a_coefficient_plus_a_bias_per_map():
    layer = Subsampling(2, 2, (3,))
    with torch.no_grad():
        layer.coefficients[0][1, 2], layer.biases[0][1, 2] = 2.0, 0.5
    maps = torch.randn(1, 2, 3, 4, 6)
    (found,) = layer([maps])
    mean = maps.unflatten(4, (3, 2)).unflatten(3, (2, 2)).mean(dim=(4, 6))
    torch.testing.assert_close(found[0, 0, 0], mean[0, 0, 0].tanh())
    torch.testing.assert_close(found[0, 1, 2], (2 * mean[0, 1, 2] + 0.5).tanh())


def test_of_the_many_biases_only_the_sum_matters():
    layer, maps = Dense(3, 2, (4, 4)), torch.randn(5, 3, 4, 4)
    with torch.no_grad():
        layer.biases[:] = torch.randn(2, 3)
    wanted = conv2d(maps, layer.weight, layer.biases.sum(dim=1)).flatten(1).tanh()
    torch.testing.assert_close(layer(maps), wanted)


# --- The small network ------------------------------------------------------------------------------------------------


def test_a_3d_convolution_is_equation_2():
    layer, maps = SpaceTime(2, 3, (3, 3, 3), (1, 1, 1)), torch.randn(1, 2, 5, 6, 7)
    weight = layer.weight.reshape(3, 2, 3, 3, 3)
    padded = torch.nn.functional.pad(maps, (1,) * 6)[0]
    frame, row, column = 2, 3, 4
    wanted = sum(
        weight[1, m, r, p, q] * padded[m, frame + r, row + p, column + q] for m, r, p, q in np.ndindex(2, 3, 3, 3)
    )
    assert float(layer(maps)[0, 1, frame, row, column].detach()) == pytest.approx(float(wanted.detach()), abs=1e-5)


def test_it_is_a_sum_of_2d_convolutions_of_neighbouring_frames():
    layer, maps = SpaceTime(2, 3, (3, 5, 5), (1, 2, 2)), torch.randn(2, 2, 6, 12, 12)
    filters, padded = layer.weight.unflatten(1, (2, 3, 5, 5)), torch.nn.functional.pad(maps, (0,) * 4 + (1, 1))
    each = [sum(conv2d(padded[:, :, t + r], filters[:, :, r], None, 2, 2) for r in range(3)) for t in range(6)]
    torch.testing.assert_close(layer(maps), torch.stack(each, dim=2), rtol=1e-4, atol=1e-5)


def test_a_2d_network_cannot_see_order_and_a_3d_network_can(maps):
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    moved = maps[:, :, order].float()
    flat, deep = network(kinds=OF_ONE_FRAME, depth=1), network()
    torch.testing.assert_close(flat(maps.float()), flat(moved), rtol=1e-4, atol=1e-5)
    assert (deep(maps.float()) - deep(moved)).abs().max() > 1e-3


def test_a_2d_network_sees_one_frame_at_a_time(maps):
    """The score of a film is the mean of its frames' scores."""
    flat = network(kinds=OF_ONE_FRAME, depth=1)
    each = torch.stack([flat(maps[:, :, t : t + 1].float()) for t in range(8)])
    torch.testing.assert_close(flat(maps.float()), each.mean(dim=0), rtol=1e-4, atol=1e-5)


def test_networks_see_only_their_kinds_of_maps(maps):
    changed = maps.float().clone()
    changed[:, 3:] = 7
    for built, same in (
        (network(kinds=OF_ONE_FRAME, depth=1), True),
        (network(kinds=(0,), learned=True), True),
        (network(), False),
    ):
        assert torch.allclose(built(maps.float()), built(changed)) == same


def test_the_learned_first_layer_makes_as_many_maps_as_the_hardwired_one(maps):
    learned = network(kinds=(0,), learned=True)
    assert learned.first(maps[:, :1].float()).shape == maps.shape
    assert parameters_of(learned) - parameters_of(network()) == 5 * 27


def test_muon_is_given_all_filters_but_the_first():
    filters, others = filters_and_others(network())
    assert len(filters["params"]) == 3
    assert all(weight.ndim == 2 for weight in filters["params"])
    together = [*filters["params"], *others["params"]]
    assert sum(weight.numel() for weight in together) == parameters_of(network())


def test_counted_multiplications_know_space_time_layers():
    layers = layers_of(network(), (5, 8, 32, 32))
    first = next(layer for layer in layers if layer.kind == "SpaceTime")
    assert first.map == (6, 8, 16, 16)
    assert first.multiplications == 5 * 6 * 3 * 25 * 8 * 16 * 16


# --- The hardwired layer ----------------------------------------------------------------------------------------------


def test_grey_levels_and_gradients_are_those_of_the_frames(films, maps):
    grey = films.films.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    y, x = np.gradient(grey, axis=(2, 3))
    np.testing.assert_allclose(maps[:, 1], x, atol=0.1)
    np.testing.assert_allclose(maps[:, 2], y, atol=0.1)
    np.testing.assert_allclose(maps[:, 0], grey - grey.mean(axis=(1, 2, 3), keepdims=True), atol=0.1)


def test_flow_points_where_people_walk():
    walkers = Studio(classes=("walk",), side=40).shoot(12, seed=4)
    flow = hardwired(walkers.films)[:, 3].float().numpy()
    away = walkers.joints[:, -1, 12, 0] - walkers.joints[:, 0, 12, 0]  # of the neck, in a picture whose camera follows
    own = np.array([flow[k][walkers.masks[k]].mean() for k in range(12)])
    far = np.abs(away) > 4
    assert far.sum() >= 6
    assert (np.sign(own) == np.sign(away))[far].all()


def test_the_camera_s_part_is_taken_away(maps):
    medians = maps[:, 3:].float().flatten(3).median(dim=3).values
    assert medians.abs().max() < 1e-3


def test_mirrored_films_have_mirrored_maps(films, maps):
    found = hardwired(np.ascontiguousarray(films.films[:, :, :, ::-1]))
    wanted = mirrored(maps.float())
    torch.testing.assert_close(found[:, :3].float(), wanted[:, :3], rtol=1e-2, atol=0.1)
    assert (found[:, 3:].float() - wanted[:, 3:]).abs().mean() < 0.03
    torch.testing.assert_close(mirrored(mirrored(maps.float())), maps.float())


def test_the_hardwired_layer_does_not_look_at_other_films(films, maps):
    torch.testing.assert_close(hardwired(films.films[4:5]), maps[4:5], rtol=1e-3, atol=1e-2)
    with pytest.raises(ValueError, match="one frame"):
        hardwired(films.films[:, :1])


def test_batches_are_scaled_mirrored_and_moved_with_their_labels(maps):
    data = FilmMaps(maps, torch.arange(12), spread(maps))
    index = torch.tensor([3, 7, 1, 0])
    found, labels = data.batch(index, torch.Generator().manual_seed(0))
    assert labels.tolist() == [3, 7, 1, 0]
    plain = maps[index].float() / data.scale
    moves = [(down, right) for down in range(-3, 4) for right in range(-3, 4)]
    for k in range(4):
        options = [torch.roll(each[k], move, (2, 3)) for each in (plain, mirrored(plain)) for move in moves]
        assert any(torch.allclose(found[k], option) for option in options)
    everything = (maps.float() / data.scale).square().mean(dim=(0, 2, 3, 4)).sqrt()
    torch.testing.assert_close(everything, torch.ones(5), rtol=1e-3, atol=1e-3)


# --- Training and the lesson ------------------------------------------------------------------------------------------


def test_shuffling_keeps_every_film_s_frames_and_gives_each_an_order_of_its_own(films):
    found = shuffled(films.films, 0)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(films.films, axis=1))
    places = [
        [next(s for s in range(8) if np.array_equal(found[k, t], films.films[k, s])) for t in range(8)] for k in (0, 1)
    ]
    assert sorted(places[0]) == sorted(places[1]) == list(range(8))
    assert places[0] != places[1]
    np.testing.assert_array_equal(found, shuffled(films.films, 0))


def test_training_learns_order_and_gives_the_same_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 8)
    part = Studio(classes=("sit down", "stand up"), side=24, frames=6).shoot(24)
    run, maps = run_of("video/conv3d", tmp_path), hardwired(part.films)
    small = {"widths": (8, 8, 8, 8)}
    twice = [train(run, maps, part.labels, 2, **small).network.state_dict() for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*(each.values() for each in twice), strict=True))
    first = train(run, maps, part.labels, 16, **small)
    assert (first.predict(part.films) == part.labels).mean() > 0.9
    back = first.predict(np.ascontiguousarray(part.films[:, ::-1]))
    assert (back == part.labels).mean() < 0.2  # their films backwards are the other action
    assert not first.network.training


def test_predictions_do_not_depend_on_how_many_films_there_are_and_are_blind_to_mirrors(films, maps):
    model = ActionClassifier(network(kinds=EVERY), spread(maps))
    np.testing.assert_array_equal(model.predict_maps(maps)[3:5], model.predict_maps(maps[3:5]))
    np.testing.assert_array_equal(model.predict_maps(maps), model.predict_maps(mirrored(maps.float()).half()))


def test_reversed_films_of_pairs_are_scored_by_the_label_they_had():
    assert set(module.TIMED) == {*BACKWARDS, *BACKWARDS.values()} & set(ACTIONS)
    assert len(ACTIONS) == 12
    assert len(module.TIMED) == 8
