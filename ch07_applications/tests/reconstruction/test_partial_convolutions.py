"""The partial convolution against PyTorch and a reference by windows; the U-Net, the loss, and the lesson."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.functional import conv2d, unfold
from torchvision.models import vgg16

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction import inpainting_verdicts, network_inpainting, partial_convolutions
from ch07_applications.reconstruction.hidden_crops import HiddenCrops, psnr_in_holes
from ch07_applications.reconstruction.inpainting_rivals import HARMONIC, MEAN, fill_all, harmonic, mean_fill
from ch07_applications.reconstruction.network_inpainting import (
    LEARNED,
    UNSEEN,
    compare_learned,
    fill_crops,
    fill_picture,
    masks_by_layer,
    psnr_of_bank,
)
from ch07_applications.reconstruction.partial_convolutions import (
    PUBLISHED_KERNELS,
    PUBLISHED_WIDTHS,
    WEIGHTS,
    Features,
    InpaintingLoss,
    PartialConv2d,
    PlainConv2d,
    UNet,
    gram,
    log_error,
    total_variation,
)
from ch07_applications.reconstruction.training_crops import TrainingCrops, inputs_of, learned_images
from ch07_applications.tests.reconstruction.small_runs import a_run
from common.data.photo_pack import photographs
from common.data.vgg import Vgg, layer_names
from common.data.weights import imagenet_statistics

STRIDES, KERNELS = (1, 2), (1, 3, 5)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def a_layer(channels=(3,), outputs=4, kernel=3, stride=1, **changes):
    layer = PartialConv2d(channels, outputs, kernel, stride, **changes)
    if isinstance(layer.bias, nn.Parameter):
        nn.init.normal_(layer.bias)
    return layer


def a_mask(size=(11, 13), share=0.5, batch=2, groups=1):
    return (torch.rand(batch, groups, *size) < share).float()


def a_block():
    mask = torch.ones(1, 1, 12, 12)
    mask[..., 3:10, 2:9] = 0
    return mask


def by_windows(layer, maps, known):
    """Eq. (1) and (2), window by window: an independent reference, with NaN where a pixel is hidden or outside."""
    kernel, stride = layer.convolution.kernel_size[0], layer.convolution.stride[0]
    reach = kernel // 2
    full = known.repeat_interleave(torch.tensor(layer.channels), dim=1)
    padded = nn.functional.pad(maps, (reach,) * 4).double()
    state = nn.functional.pad(full - 0.5, (reach,) * 4)  # ½ known, −½ hidden, 0 outside
    windows, states = (unfold(each, kernel, stride=stride) for each in (padded, state.double()))
    weights, bias = layer.convolution.weight.flatten(1).double(), layer.bias.double()
    found = torch.zeros(len(maps), len(weights), windows.shape[2], dtype=torch.double)
    for b in range(len(maps)):
        for place in range(windows.shape[2]):
            seen = states[b, :, place] > 0
            if seen.any():
                inside = (states[b, :, place] != 0).sum()
                found[b, :, place] = weights[:, seen] @ windows[b, seen, place] * inside / seen.sum() + bias
    return found


# --- The layer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", STRIDES)
def test_with_a_full_mask_it_is_a_convolution_borders_included(kernel, stride):
    layer, maps = a_layer(kernel=kernel, stride=stride), torch.randn(2, 3, 11, 13)
    plain = conv2d(maps, layer.convolution.weight, layer.bias, stride, kernel // 2)
    found, known = layer(maps, torch.ones(2, 1, 11, 13))
    torch.testing.assert_close(found, plain)
    assert (known == 1).all()
    assert known.shape == (2, 1, *found.shape[2:])


@pytest.mark.parametrize("channels", [(3,), (2, 4)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_it_is_the_sum_over_known_entries_of_every_window(channels, kernel, stride, share):
    layer, known = a_layer(channels, kernel=kernel, stride=stride), a_mask(share=share, groups=len(channels))
    maps = torch.randn(2, sum(channels), 11, 13)
    found, _ = layer(maps, known)
    torch.testing.assert_close(found.flatten(2).double(), by_windows(layer, maps, known), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [1e6, float("inf"), float("nan")])
def test_hidden_values_make_no_difference_to_the_layer(value):
    layer, maps, known = a_layer(), torch.randn(2, 3, 11, 13), a_mask()
    wild = torch.where(known > 0, maps, value)
    for a, b in zip(layer(maps, known), layer(wild, known), strict=True):
        assert torch.equal(a, b)


def test_no_gradient_flows_to_hidden_values():
    layer, maps, known = a_layer(), torch.randn(2, 3, 11, 13, requires_grad=True), a_mask()
    layer(maps, known)[0].square().sum().backward()
    hidden = (known == 0).expand_as(maps)
    assert (maps.grad[hidden] == 0).all()
    assert (maps.grad[~hidden] != 0).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_of_a_constant_is_the_constant_whatever_is_hidden(channels):
    """sum(1) is k² C, not 1: public code that forgets it gives a ninth of a plain convolution's output."""
    layer, known = a_layer((channels,), 1), a_mask()
    nn.init.constant_(layer.convolution.weight, 1 / (9 * channels))
    nn.init.zeros_(layer.bias)
    found, valid = layer(torch.full((2, channels, 11, 13), 7.0), known)
    inner = valid[..., 1:-1, 1:-1] > 0
    torch.testing.assert_close(found[..., 1:-1, 1:-1][inner], torch.full((int(inner.sum()),), 7.0))


def test_the_bias_is_added_after_the_ratio():
    layer, known = a_layer(), a_mask(share=0.3)
    nn.init.zeros_(layer.convolution.weight)
    found, valid = layer(torch.randn(2, 3, 11, 13), known)
    torch.testing.assert_close(found, layer.bias[:, None, None] * valid)


def test_windows_without_a_known_entry_give_zero_in_spite_of_the_bias():
    layer, known = a_layer(), a_block()
    found, valid = layer(torch.randn(1, 3, 12, 12), known)
    wanted = torch.ones(12, 12)
    wanted[4:9, 3:8] = 0
    assert torch.equal(valid[0, 0], wanted)
    assert (found[0][:, wanted == 0] == 0).all()


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_hole_shrinks_by_half_a_kernel_at_each_side_until_nothing_is_hidden(kernel):
    known, layer, hidden = torch.zeros(1, 1, 21, 21), a_layer((1,), 1, kernel), []
    known[..., 0] = 1  # the left column alone
    for _ in range(12):
        hidden.append(int((known[0, 0, 10] == 0).sum()))
        _, known = layer(torch.randn(1, 1, 21, 21), known)
    assert hidden[:5] == [max(20 - k * (kernel // 2), 0) for k in range(5)]
    assert (known == 1).all() or kernel == 3
    for _ in range(10):
        _, known = layer(torch.randn(1, 1, 21, 21), known)
    assert (known == 1).all()


def test_one_is_known_and_zero_is_hidden():
    layer = a_layer()
    found, valid = layer(torch.randn(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    assert not found.any()
    assert not valid.any()


def test_groups_of_maps_count_as_often_as_they_have_maps():
    """For a window with 2 known and 6 hidden channels, the ratio is 4, not 2."""
    layer, known = a_layer((2, 6), 1, 1), torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    nn.init.zeros_(layer.bias)
    maps = torch.randn(1, 8, 1, 1)
    wanted = 4 * (layer.convolution.weight[0, :2, 0, 0] * maps[0, :2, 0, 0]).sum()
    assert layer(maps, known)[0].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_ablations_change_the_ratio_and_nothing_else():
    layer, maps = a_layer(), torch.randn(1, 3, 8, 8)
    state = layer.state_dict()
    without, padded = a_layer(ratio=False), a_layer(padding_hidden=True)
    for other in (without, padded):
        other.load_state_dict(state)
    bias, full = layer.bias[:, None, None], torch.ones(1, 1, 8, 8)
    plain = layer(maps, full)[0] - bias
    ratio = (padded(maps, full)[0] - bias) / plain
    for place, wanted in (((0, 0), 2.25), ((0, 4), 1.5), ((4, 4), 1.0)):
        torch.testing.assert_close(ratio[0, :, place[0], place[1]], torch.full((4,), wanted), rtol=1e-3, atol=1e-3)
    known = a_block()[..., :8, :8]
    plain = conv2d(maps * known, state["convolution.weight"], layer.bias, 1, 1)
    torch.testing.assert_close(without(maps, known)[0], plain * layer(maps, known)[1])


# --- The network ------------------------------------------------------------------------------------------------------


def given(batch=2, size=(32, 32), share=0.6):
    known = a_mask(size, share, batch)
    crops, fills = torch.rand(batch, 3, *size), torch.rand(batch, 3, *size)
    others = torch.rand(batch, 3, *size)
    both = [each * (1 - known) + crops * known for each in (fills, others)]
    return torch.cat([crops * known, *both, known], dim=1)


@pytest.mark.parametrize(("levels", "count"), [(7, 25_779_796), (8, 32_859_732)])
def test_the_published_network_has_the_counted_parameters(levels, count):
    """Public code has 7 levels, 14 layers; the paper's table has 8. There are no biases before BatchNorm, and 3 in the
    last layer.
    """
    with torch.device("meta"):
        network = UNet(widths=PUBLISHED_WIDTHS[:levels], kernels=PUBLISHED_KERNELS[:levels], normalised=True)
        found = network(torch.zeros(2, 10, 512, 512))
    assert parameters_of(network) == count
    assert len(network.encoder) + len(network.decoder) == 2 * levels
    assert found.shape == (2, 3, 512, 512)


def test_both_networks_have_as_many_parameters_but_for_the_mask_channel():
    partial, plain = parameters_of(UNet()), parameters_of(UNet(PlainConv2d))
    assert 0 < plain - partial < 0.002 * partial


@pytest.mark.parametrize("size", [(32, 32), (37, 50)])
@pytest.mark.parametrize("over", [False, True])
def test_pictures_of_any_size_are_answered(size, over):
    assert UNet(over_fills=over, widths=(4, 4, 4), kernels=(5, 3, 3))(given(size=size)).shape == (2, 3, *size)


@pytest.mark.parametrize("layer", [PartialConv2d, PlainConv2d])
def test_over_fills_the_untrained_answer_is_their_mean(layer):
    inputs = given()
    assert torch.equal(UNet(layer, True)(inputs), (inputs[:, 3:6] + inputs[:, 6:9]) / 2)


def test_fills_are_used_only_by_the_network_that_starts_from_them():
    inputs = given()
    other = inputs.clone()
    other[:, 3:9] = 0.3
    network = UNet()
    assert torch.equal(network(inputs), network(other))
    over = UNet(over_fills=True)
    nn.init.normal_(over.decoder[-1].convolution.weight)
    assert not torch.allclose(over(inputs) - (inputs[:, 3:6] + inputs[:, 6:9]) / 2, over(other) - 0.3)


def test_masks_are_concatenated_with_the_maps_of_skip_connections():
    """The last layer knows the given pixels by their own mask, and the enlarged maps everywhere."""
    network, seen, inputs = UNet(widths=(4, 4, 4, 4)), [], given()
    network.decoder[-1].register_forward_pre_hook(lambda layer, args: seen.append(args))
    network(inputs)
    maps, known = seen[0]
    assert known.shape[1] == 2
    assert torch.equal(known[:, 1], inputs[:, 9])
    assert torch.equal(maps[:, -3:], inputs[:, :3] - 0.5 * inputs[:, 9:])
    assert network.decoder[-1].channels == (4, 3)


def test_masks_by_layer_shrink_the_hole_on_the_way_down():
    inputs = torch.zeros(1, 10, 64, 64)
    inputs[:, 9, :, :8] = 1
    masks = masks_by_layer(UNet(), inputs)
    assert list(masks)[:2] == ["given", "layer 1"]
    assert len(masks) == 9
    shares = [mask.mean() for mask in masks.values()]
    assert shares[0] == 0.125
    assert shares[:5] == sorted(shares[:5])
    assert masks["layer 4"].shape == (4, 4)
    assert not UNet(PlainConv2d)(inputs).isnan().any()


# --- The loss ---------------------------------------------------------------------------------------------------------


def small_vgg():
    features = vgg16(weights=None).features
    return Vgg("random", features.eval().requires_grad_(False), layer_names(features))


def test_the_weights_are_the_papers():
    assert WEIGHTS == {
        "valid": 1, "hole": 6, "perceptual": 0.05, "style out": 120, "style comp": 120, "tv": 0.1,
    }  # fmt: skip


def test_terms_on_pixels_by_hand():
    truth, known = torch.zeros(1, 3, 2, 2), torch.tensor([[1.0, 0.0], [1.0, 1.0]])[None, None]
    found = torch.full((1, 3, 2, 2), 0.5)
    found[..., 0, 1] = 0.2
    terms = InpaintingLoss().terms(found, truth, known)
    assert terms.keys() == {"valid", "hole", "tv"}
    assert terms["valid"].item() == pytest.approx(3 * 0.5 / 4)
    assert terms["hole"].item() == pytest.approx(0.2 / 4)
    assert terms["tv"].item() == pytest.approx(2 * 0.2 / 4)  # comp is 0 but for the hidden pixel
    assert InpaintingLoss()(found, truth, known).item() == pytest.approx(0.375 + 6 * 0.05 + 0.1 * 0.1)


def test_total_variation_is_taken_within_the_hole_and_one_pixel_around_it():
    known = torch.ones(1, 1, 9, 9)
    known[..., 4, 4] = 0
    flat = torch.zeros(1, 3, 9, 9)
    for place, wanted in (((4, 4), 4), ((3, 3), 2), ((3, 4), 3), ((2, 4), 0), ((0, 0), 0)):
        comp = flat.clone()
        comp[..., place[0], place[1]] = 1.0
        assert total_variation(comp, known).item() == pytest.approx(3 * wanted / flat.numel())


def test_the_gram_matrix_by_hand():
    maps = torch.randn(2, 4, 5, 6)
    wanted = torch.einsum("bchw,bdhw->bcd", maps, maps) / (4 * 5 * 6)
    torch.testing.assert_close(gram(maps), wanted)


def test_features_are_those_of_the_first_three_poolings_of_normalised_colours():
    network, colours = small_vgg(), torch.rand(1, 3, 32, 32)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in imagenet_statistics())
    x = (colours - mean) / deviation
    wanted = [network.features[:end](x) for end in (5, 10, 17)]
    for a, b in zip(Features(network)(colours), wanted, strict=True):
        torch.testing.assert_close(a, b.float())


def test_terms_of_features_compare_the_answer_and_the_composition_with_the_truth():
    loss, known = InpaintingLoss(Features(small_vgg())), a_mask((32, 32), batch=1)
    truth, found = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    comp, own = truth * known + found * (1 - known), loss.features
    terms = loss.terms(found, truth, known)
    assert terms.keys() == WEIGHTS.keys()
    pairs = [list(zip(own(each), own(truth), strict=True)) for each in (found, comp)]
    perceptual = sum((a - b).abs().sum() / a.numel() for both in pairs for a, b in both)
    assert terms["perceptual"].item() == pytest.approx(perceptual.item(), rel=1e-5)
    for name, both in zip(("style out", "style comp"), pairs, strict=True):
        wanted = sum((gram(a) - gram(b)).abs().sum() / a.shape[1] ** 2 for a, b in both)
        assert terms[name].item() == pytest.approx(wanted.item(), rel=1e-5)
    total = sum(WEIGHTS[name] * value.item() for name, value in terms.items())
    assert loss(found, truth, known).item() == pytest.approx(total, rel=1e-5)
    perfect = loss.terms(truth, truth, known)
    assert all(perfect[name] == 0 for name in WEIGHTS if name != "tv")


def test_the_logarithmic_loss_is_psnr_in_holes_but_for_sign_and_factor():
    known, truth = a_mask((16, 16), batch=3), torch.rand(3, 3, 16, 16)
    found = truth + 0.3 * torch.randn(3, 3, 16, 16)
    errors = [(found[k] - truth[k])[:, known[k, 0] == 0].square().mean() for k in range(3)]
    wanted = torch.stack([(each + 1e-4).log() for each in errors]).mean()
    torch.testing.assert_close(log_error(found, truth, known), wanted)
    shifted = torch.where(known > 0, found + 9, found)
    torch.testing.assert_close(log_error(shifted, truth, known), wanted)


# --- Answers, and the lesson ------------------------------------------------------------------------------------------


def some_crops():
    rng = np.random.default_rng(0)
    crops, holes = rng.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8), rng.random((3, 32, 32)) < 0.4
    return HiddenCrops(crops, holes, np.zeros(3, np.int64), np.arange(3))


@pytest.mark.parametrize("over", [False, True])
def test_answers_keep_known_pixels_and_never_see_hidden_ones(over):
    network, part = UNet(over_fills=over), some_crops()
    nn.init.normal_(network.decoder[-1].convolution.weight, std=0.1)
    filled = fill_crops(network, part)
    assert (filled[~part.holes] == part.answers[~part.holes]).all()
    other = np.where(part.holes[..., None], 255 - part.answers, part.answers)
    again = fill_crops(network, HiddenCrops(other, part.holes, part.bands, part.groups))
    assert (filled == again).all()
    assert (fill_picture(network, other[1], part.holes[1]) == filled[1]).all()


def test_an_answer_for_a_large_picture_is_the_networks():
    network, rng = UNet(), np.random.default_rng(0)
    picture, hole = rng.integers(0, 256, (45, 70, 3)).astype(np.uint8), rng.random((45, 70)) < 0.3
    found = network(inputs_of(picture[None], np.zeros((1, 45, 70, 6)), hole[None]))[0].detach().permute(1, 2, 0).numpy()
    wanted = np.where(hole[..., None], (255 * found).clip(0, 255).round(), picture)
    assert_allclose(fill_picture(network, picture, hole), wanted, atol=1)


def test_crops_of_a_bank_are_filled_and_judged_like_hidden_crops():
    images = [own.image for own in photographs().train[:1]]
    bank, network = TrainingCrops.of(images, 12, 0), UNet(over_fills=True)
    nn.init.normal_(network.decoder[-1].convolution.weight, 0, 0.01)
    pictures, holes = bank.crops.permute(0, 2, 3, 1).numpy(), ~bank.known[:, 0].numpy()
    part = HiddenCrops(pictures, holes, np.zeros(12, np.int64), np.arange(12))
    found = psnr_of_bank("net", network, bank)
    wanted = {
        "net": fill_crops(network, part),
        HARMONIC: fill_all(harmonic, part),
        MEAN: fill_all(mean_fill, part),
    }
    assert list(found) == list(wanted)
    for name, filled in wanted.items():
        assert found[name] == pytest.approx(psnr_in_holes(pictures, filled, holes).mean(), abs=0.02)  # 16 bits


def test_learned_crops_are_compared_with_crops_of_held_out_photographs_in_the_same_holes(tmp_path, monkeypatch):
    banks = []
    monkeypatch.setattr(
        network_inpainting, "psnr_of_bank", lambda name, network, bank: banks.append(bank) or {name: 20.0 + len(banks)}
    )
    run = a_run(tmp_path)
    learned = TrainingCrops.of(learned_images(run), 24, run.seed)
    drawn = []
    real = TrainingCrops.of
    monkeypatch.setattr(TrainingCrops, "of", lambda images, *args: drawn.append(images) or real(images, *args))
    compare_learned(run, "net", UNet(), learned)
    assert {fact.name: fact.value for fact in run.record.facts} == {f"{LEARNED}, net": 21, f"{UNSEEN}, net": 22}
    assert len(banks[0]) == len(banks[1]) == 12
    assert torch.equal(banks[0].crops, learned.crops[:12])
    assert torch.equal(banks[0].fills, learned.fills[:12])
    assert torch.equal(banks[0].known, banks[1].known)
    held_out = {own.image.tobytes() for own in photographs().train[3::4]}
    assert {image.tobytes() for image in drawn[0]} == held_out
    assert held_out.isdisjoint(image.tobytes() for image in learned_images(run))


def test_the_lesson_scores_all_on_the_same_crops_and_learns_from_none_of_them(tmp_path, monkeypatch):
    banks, changes = [], []
    real, verdicts = partial_convolutions.TrainingCrops.of, partial_convolutions.state_verdicts
    monkeypatch.setattr(
        partial_convolutions.TrainingCrops, "of", lambda images, *args: banks.append(images) or real(images, *args)
    )
    monkeypatch.setattr(
        partial_convolutions, "state_verdicts", lambda *args: changes.append(args[3]) or verdicts(*args)
    )
    run = a_run(tmp_path, photo=np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8))
    partial_convolutions.lesson(run)
    everywhere = {name for name, own in run.methods.items() if "PSNR in holes" in own.items}
    names = inpainting_verdicts
    assert {names.PARTIAL, names.PLAIN, names.OVER, "harmonic fill", "biharmonic fill"} <= everywhere
    assert {each.name for each in run.record.pictures} == {"restored", "bands", "masks", "photo"}
    assert {names.UNSCALED, names.PADDED, names.PLAIN_OVER}.isdisjoint(everywhere)
    learned = {image.tobytes() for image in banks[0]}
    assert learned == {own.image.tobytes() for own in photographs().train[:2]}
    assert changes[0][0].where == "held-out photographs"
    assert "BSDS500" in " ".join(run.record.notes)
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["published U-Net of 14 layers"] == 25_779_796
    assert any("Your photograph, 50 × 40 pixels" in note for note in run.record.notes)
    shown = photographs().test[:3]
    assert any(own.credit in run.record.pictures[0].caption for own in shown)
