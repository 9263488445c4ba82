"""Pose by heat maps: the network's structure and size, encoding and decoding to the last half pixel, losses."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.tests.synthesis.small_runs import run_of
from ch07_applications.video import pose as module
from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.people import Studio
from ch07_applications.video.pose import (
    BASE,
    FIRST,
    LAST_ONLY,
    NONE,
    ONE,
    PARABOLA,
    PUBLISHED,
    QUARTER,
    SINGLE,
    STRIDE,
    Hourglass,
    Plan,
    PoseEstimator,
    Residual,
    StackedHourglass,
    all_stacks,
    decode,
    encode,
    last_stack,
    study_readings,
    study_stacks,
    train,
)
from ch07_applications.video.posed_people import MIRRORED, PCK, frames_of
from ch07_applications.video.views import around_boxes, cut, into_views, whole_pictures
from common.errors import Problem
from common.paper_claims import PaperClaims

TINY = Plan(2, 16, 2, 8)


def network(plan=TINY):
    torch.manual_seed(0)
    built = StackedHourglass(plan).eval()
    for head in built.heads:  # which begin with almost nothing
        nn.init.normal_(head.weight, std=0.1)
    return built


# --- The network ------------------------------------------------------------------------------------------------------


def residual(inputs, outputs):
    """Its parameters by hand: three BatchNorms, kernels of 1, 3, 1 with biases, a shortcut where widths differ."""
    half = outputs // 2
    own = 2 * inputs + 4 * half + (inputs + 1) * half + (9 * half + 1) * half + (half + 1) * outputs
    return own + (inputs != outputs) * (inputs + 1) * outputs


def test_the_published_network_has_as_many_parameters_as_its_layers_by_hand():
    with torch.device("meta"):
        found = parameters_of(StackedHourglass(PUBLISHED))
    stem = (147 + 1) * 64 + 2 * 64 + residual(64, 128) + residual(128, 128) + residual(128, 256)
    hourglass = (3 * 4 + 1) * residual(256, 256)
    heads = 257 * 256 + 2 * 256 + 257 * 16
    assert found == stem + 8 * (hourglass + heads) + 7 * (257 * 256 + 17 * 256)
    assert found == 23_717_888


def test_the_published_network_goes_down_to_4_by_4_and_up_again():
    with torch.device("meta"):
        layers = layers_of(StackedHourglass(PUBLISHED), (3, 256, 256))
    shapes = {layer.map[1:] for layer in layers if "hourglasses.0" in layer.name and layer.kind == "Conv2d"}
    assert shapes == {(side, side) for side in (64, 32, 16, 8, 4)}
    (head,) = (layer for layer in layers if layer.name == "heads.7")
    assert head.map == (16, 64, 64)


def test_one_stack_has_about_as_many_parameters_as_two():
    counts = [parameters_of(StackedHourglass(plan)) for plan in (Plan(), SINGLE)]
    assert abs(counts[1] / counts[0] - 1) < 0.05


def test_the_small_networks_have_a_map_for_each_joint():
    assert Plan().joints == SINGLE.joints == len(JOINTS)


def test_a_cell_is_a_stride_wide_and_every_stack_has_maps():
    found = network(Plan(3, 16, 2, 8))(torch.rand(2, 3, 64, 64))
    assert found.shape == (2, 3, 14, 64 // STRIDE, 64 // STRIDE)


def test_a_residual_is_the_input_where_its_branch_is_nothing():
    layer, maps = Residual(6, 6).eval(), torch.randn(2, 6, 5, 5)
    assert not torch.equal(layer(maps), maps)
    nn.init.zeros_(layer.branch[-1].weight)
    nn.init.zeros_(layer.branch[-1].bias)
    assert torch.equal(layer(maps), maps)
    assert [type(layer.branch[k]) for k in range(3)] == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d]  # before, not after


def test_an_hourglass_is_its_branches():
    torch.manual_seed(0)
    layer, maps = Hourglass(8, 1).eval(), torch.randn(1, 8, 8, 8)
    low = layer.up(layer.inner(layer.down(max_pool2d(maps, 2))))
    torch.testing.assert_close(layer(maps), layer.beside(maps) + interpolate(low, scale_factor=2, mode="nearest"))
    assert isinstance(layer.inner, Residual)


def test_a_deep_hourglass_sees_all_and_a_residual_does_not():
    torch.manual_seed(0)
    maps = torch.zeros(1, 8, 16, 16, requires_grad=True)
    for layer, share in ((Hourglass(8, 3).eval(), 1.0), (Residual(8, 8).eval(), 9 / 256)):
        (gradient,) = torch.autograd.grad(layer(maps + 0.1 * torch.randn(maps.shape))[0, :, 8, 8].sum(), maps)
        assert (gradient.abs().sum(dim=1) > 0).float().mean() >= 0.9 * share
        assert share == 1.0 or (gradient.abs().sum(dim=1) > 0).float().mean() <= share


def test_what_a_stack_predicts_goes_into_the_next():
    built, pictures = network(), torch.rand(1, 3, 64, 64)
    before = built(pictures)
    with torch.no_grad():
        built.heads[0].bias += 1
    after = built(pictures)
    torch.testing.assert_close(after[:, 0], before[:, 0] + 1)
    assert (after[:, 1] - before[:, 1]).abs().max() > 1e-4
    with torch.no_grad():
        built.returns[0].weight.zero_()
        built.returns[0].bias.zero_()
        changed = built(pictures)
        built.heads[0].bias -= 1
        torch.testing.assert_close(built(pictures)[:, 1], changed[:, 1])


# --- Heat maps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_points_are_encoded_and_decoded_exactly_at_any_stride(stride):
    """The Gaussian's logarithm is a parabola, so its top is the point, wherever in its cell that lies."""
    points = (1.6 + 12.8 * torch.rand(3, 14, 2, generator=torch.Generator().manual_seed(stride))) * stride
    torch.testing.assert_close(decode(encode(points, 16, stride), stride, PARABOLA), points, rtol=0, atol=1e-3 * stride)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("shift", [NONE, QUARTER, PARABOLA])
def test_a_cell_s_centre_is_half_a_cell_from_its_corner(stride, shift):
    cells = torch.tensor([[[3.0, 5.0], [7.0, 0.0], [15.0, 15.0]]])
    points = (cells + 0.5) * stride
    torch.testing.assert_close(decode(encode(points, 16, stride), stride, shift), points)


@pytest.mark.parametrize(("shift", "most"), [(NONE, 0.5), (QUARTER, 0.25)])
def test_a_shift_by_a_quarter_halves_the_largest_error(shift, most):
    points = 4 + 56 * torch.rand(200, 14, 2, generator=torch.Generator().manual_seed(0))
    away = (decode(encode(points, 16, 4), 4, shift) - points).abs().amax() / 4
    assert 0.98 * most < away <= most + 1e-5


def test_mirrored_maps_have_mirrored_points():
    points = 8 + 48 * torch.rand(5, 14, 2, generator=torch.Generator().manual_seed(1))
    found = decode(encode(points, 16, 4), 4)
    mirrored = decode(encode(points, 16, 4).flip(3), 4)
    torch.testing.assert_close(mirrored[..., 0], 64 - found[..., 0])
    torch.testing.assert_close(mirrored[..., 1], found[..., 1])


def test_rows_and_columns_are_not_mixed_up():
    maps = torch.zeros(1, 1, 8, 12)
    maps[0, 0, 2, 9] = 1
    maps[0, 0, 2, 10] = 0.5
    maps[0, 0, 1, 9] = 0.3
    assert decode(maps, 4)[0, 0].tolist() == [(9 + 0.75) * 4, (2 + 0.25) * 4]
    assert decode(maps, 4, NONE)[0, 0].tolist() == [9.5 * 4, 2.5 * 4]


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_the_loss_is_0_for_the_gaussians_themselves_and_counts_every_stack():
    points, seen = 8 + 48 * torch.rand(2, 14, 2), torch.ones(2, 14, dtype=torch.bool)
    right = encode(points, 16, 4)[:, None].repeat(1, 3, 1, 1, 1)
    assert all_stacks(right, points, seen)[0] == 0
    wrong = right.clone()
    wrong[1, 0, 5, 2, 3] += 2
    total, count = all_stacks(wrong, points, seen)
    torch.testing.assert_close(total, torch.tensor(4.0))
    assert count == 28
    assert last_stack(wrong, points, seen)[0] == 0
    wrong[0, 2, 5, 2, 3] += 1
    torch.testing.assert_close(last_stack(wrong, points, seen)[0], torch.tensor(1.0))


def test_joints_outside_have_no_loss_and_no_gradient():
    points, seen = 8 + 48 * torch.rand(2, 14, 2), torch.ones(2, 14, dtype=torch.bool)
    seen[0, 3] = False
    found = torch.rand(2, 2, 14, 16, 16, requires_grad=True)
    total, count = all_stacks(found, points, seen)
    (gradient,) = torch.autograd.grad(total, found)
    assert count == 27
    assert gradient[0, :, 3].abs().max() == 0
    assert (gradient[1, :, 3].abs() > 0).any()


def test_a_person_of_whom_nothing_is_visible_has_a_loss_of_0():
    found = torch.rand(1, 2, 14, 16, 16, requires_grad=True)
    total, count = all_stacks(found, torch.full((1, 14, 2), -500.0), torch.zeros(1, 14, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(total / count.clamp(min=1), found)
    assert total == 0
    assert count == 0
    assert gradient.abs().max() == 0


# --- Training and predicting ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people():
    return frames_of(Studio(side=64, frames=2).shoot(16))


def test_a_mirror_image_has_mirrored_maps_with_left_for_right():
    model, pictures = PoseEstimator(network()), torch.rand(3, 3, 64, 64)
    found, other = model.every_map(pictures), model.every_map(pictures.flip(3))
    torch.testing.assert_close(other, found.flip(4)[:, :, MIRRORED], rtol=1e-3, atol=1e-4)


def test_predictions_are_in_pixels_of_the_picture(people):
    """A network whose maps have their tops at known points of the view."""

    class Known(nn.Module):
        def __init__(self):
            super().__init__()
            self.nothing = nn.Parameter(torch.zeros(1))

        def forward(self, pictures):
            points = torch.full((len(pictures), 14, 2), 22.0)
            points[..., 0] = 32
            return encode(points, 16, 4)[:, None].repeat(1, 2, 1, 1, 1)

    model = PoseEstimator(Known())
    found = model.predict(people, whole_pictures(len(people), 64), PARABOLA)
    np.testing.assert_allclose(found, np.broadcast_to([32, 22], found.shape), atol=1e-3)
    found = model.predict(people, around_boxes(people.boxes, 64), PARABOLA)
    middles = (people.boxes[:, :2] + people.boxes[:, 2:]) / 2
    sides = 1.25 * (people.boxes[:, 2:] - people.boxes[:, :2]).max(axis=1)
    wanted = np.stack([middles[:, 0], middles[:, 1] - 10 / 64 * sides], axis=1)
    np.testing.assert_allclose(found, np.repeat(wanted[:, None], 14, axis=1), atol=1e-2)


def test_training_learns_and_gives_the_same_twice(people, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 16)
    run, few = run_of("video/pose", tmp_path), people.take(slice(0, 16))
    twice = [train(run, few, 2, TINY).network.state_dict() for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*(each.values() for each in twice), strict=True))
    model, views = train(run, few, 80, TINY), around_boxes(few.boxes, few.side)
    assert not model.network.training
    pictures, points = cut(torch.tensor(few.images), views) - 0.5, into_views(torch.tensor(few.joints), views)
    seen, built = torch.tensor(few.visible), model.network.train()
    with torch.no_grad():
        found = built(pictures)
    learned, nothing = (all_stacks(maps, points, seen)[0] for maps in (found, torch.zeros_like(found)))
    assert learned < 0.97 * nothing  # empty maps are what a network learns first, in a few steps


# --- The lesson -------------------------------------------------------------------------------------------------------


class TwoRows(nn.Module):
    """A network whose first stack puts every joint at (32, 8) of the view, and whose second stack at (32, 22.9)."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, pictures):
        points = torch.tensor([[32.0, 8.0], [32.0, 22.9]])[:, None].expand(2, 14, 2)
        return encode(points, 16, 4).expand(len(pictures), 2, 14, 16, 16)


def test_studies_train_what_their_names_say_on_the_same_people(people, tmp_path, monkeypatch):
    calls = []

    def recorded(run, part, epochs, plan, checkpoint=None, **how):
        calls.append((part, epochs, plan, how["loss"], checkpoint))
        return PoseEstimator(TwoRows())

    monkeypatch.setattr(module, "train", recorded)
    run, held_out = run_of("video/pose", tmp_path), people.take(slice(0, 8))
    study_stacks(run, PaperClaims(run), people, held_out)
    plans = [(plan, loss) for _, _, plan, loss, _ in calls]
    assert plans == [(Plan(), all_stacks), (Plan(), last_stack), (SINGLE, all_stacks)]
    assert all(part is people and checkpoint is None for part, _, _, _, checkpoint in calls)
    assert len({epochs for _, epochs, _, _, _ in calls}) == 1
    for name in (BASE, LAST_ONLY, ONE):
        assert run.methods[f"{name}, validation"].items[PCK].ids.tolist() == list(range(8))


def test_readings_are_of_the_stack_and_the_shift_in_their_names(people, tmp_path, monkeypatch):
    run, kept = run_of("video/pose", tmp_path), {}
    monkeypatch.setattr(module, "score", lambda method, found, *_, **__: kept.update({method.name: found}))
    monkeypatch.setattr(PaperClaims, "compared", lambda *_, **__: None)
    study_readings(run, PaperClaims(run), PoseEstimator(TwoRows()), people)
    views = around_boxes(people.boxes, people.side)
    wanted = {NONE: (30, 22), QUARTER: (31, 23), PARABOLA: (32, 22.9), FIRST: (32, 8)}
    assert list(kept) == [f"{name}, validation" for name in wanted]
    for name, point in wanted.items():
        found = into_views(torch.tensor(kept[f"{name}, validation"]), views)
        torch.testing.assert_close(found, torch.tensor(point).expand(found.shape), rtol=0, atol=0.01, check_dtype=False)


def test_a_small_photograph_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train", None)
    run = run_of("video/pose", tmp_path)
    run.photo = np.zeros((63, 200, 3), np.uint8)
    with pytest.raises(Problem, match="at least 64×64"):
        module.lesson(run)
