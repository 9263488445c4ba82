"""SRGAN: counts and maps, losses by hand, the dial between two networks, looks, choices on held-out photographs."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import cosine_similarity, mse_loss, pixel_shuffle, pixel_unshuffle
from torchvision.models.vgg import make_layers

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.super_resolution import srgan
from ch07_applications.super_resolution.bicubic import enlarge, enlarge_maps, reduce
from ch07_applications.super_resolution.full_srgan import FullDiscriminator, FullSRResNet
from ch07_applications.super_resolution.lapsrn import enlarged
from ch07_applications.super_resolution.looks import choose_amount, crops_of, mean_psnr, sharpened, squares
from ch07_applications.super_resolution.perceptual_judge import Judge
from ch07_applications.super_resolution.srgan import (
    A_PLUS,
    BICUBIC,
    LOSS,
    SHARES,
    SRGAN,
    SRRESNET,
    UNSHARP,
    WHOLE,
    Discriminator,
    Features,
    Fool,
    SRResNet,
    choose_share,
    distinguish,
    feature_loss,
    interpolated,
    make,
    train_adversarial,
    unit,
)
from ch07_applications.tests.super_resolution.small_runs import a_run, picture, small_judge
from common.data.photo_pack import photographs
from common.data.vgg import Vgg, frozen, layer_names
from common.data.weights import imagenet_inputs
from common.metrics.super_resolution import luma

STACK = [4, 4, "M", 6, 6, "M", 8, 8, 8]


def seeded(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def small_vgg():
    features = seeded(lambda: make_layers(STACK))
    return Vgg("small", frozen(features), layer_names(features))


def sharper(network, seed=0, size=0.05):
    """Another network: its last layer no longer zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        network.last.weight.normal_(0, size, generator=generator)
    return network


# --- Networks ---------------------------------------------------------------------------------------------------------


def test_srresnet_at_full_size_has_the_published_count_and_maps():
    with torch.device("meta"):
        network = FullSRResNet()
    assert parameters_of(network) == 1_549_462
    layers = layers_of(network, (3, 24, 24))
    assert sum(each.kind == "BatchNorm2d" for each in layers) == 33
    assert {each.map[1:] for each in layers if each.name.startswith("blocks")} == {(24, 24)}
    assert layers[-1].map == (3, 96, 96)


def test_the_discriminator_at_full_size_has_the_published_count_and_maps():
    with torch.device("meta"):
        network = FullDiscriminator()
    assert parameters_of(network) == 23_565_505
    assert round(parameters_of(network) / 1e4) == 2357
    found = [each.map for each in layers_of(network, (3, 96, 96)) if each.kind == "Conv2d"]
    assert found == [
        (w, n, n) for w, n in zip((64, 64, 128, 128, 256, 256, 512, 512), (96, 48, 48, 24, 24, 12, 12, 6), strict=True)
    ]
    assert not any(each.eps > 1e-3 for each in network.modules() if isinstance(each, nn.BatchNorm2d))


def test_pixels_shuffled_come_back():
    maps = torch.rand(2, 12, 5, 7)
    assert torch.equal(pixel_unshuffle(pixel_shuffle(maps, 2), 2), maps)


def test_the_small_network_begins_as_bicubic_and_computes_alike_alone_and_in_a_batch():
    network, low = seeded(SRResNet), luma(picture(0, (12, 15)))
    assert_allclose(enlarged(network, low)[0], enlarge(low, 4), atol=1e-3)
    network = sharper(network).train()
    batch = torch.rand(3, 1, 8, 8)
    assert torch.allclose(network(batch)[0][1:2], network(batch[1:2])[0], atol=1e-5)  # no statistics of the batch
    assert 100_000 < parameters_of(network) < 200_000


def test_a_discriminator_s_logits_are_of_each_patch_alone_and_of_any_size():
    network = seeded(Discriminator)
    patches, low = torch.rand(4, 1, 64, 64), torch.rand(4, 1, 16, 16)
    assert torch.allclose(network(patches, low)[2:3], network(patches[2:3], low[2:3]), atol=1e-5)
    assert network(torch.rand(2, 1, 96, 80), torch.rand(2, 1, 24, 20)).shape == (2, 1)


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_features_are_vgg_s_of_a_grey_picture_before_the_rectifier():
    grey = np.random.default_rng(0).integers(0, 256, (16, 20)).astype(np.uint8)
    y = torch.from_numpy(luma(np.repeat(grey[..., None], 3, axis=2)) / 255).float()[None, None]
    network = small_vgg()
    wanted = network.features[: network.layers["conv2_2"] + 1](imagenet_inputs(np.repeat(grey[None, ..., None], 3, 3)))
    (found,) = Features(network, ("conv2_2",))(y)
    assert torch.allclose(found, wanted, atol=1e-4)
    assert float(found.min()) < 0


def test_the_feature_loss_is_of_directions_and_reaches_the_picture_but_no_weight():
    layers = ("relu1_2", "relu2_2")
    features = Features(small_vgg(), layers)
    truth = 0.2 + 0.6 * torch.rand(2, 1, 16, 16)
    assert float(feature_loss(features, truth, truth)) == 0
    other = torch.rand(2, 1, 16, 16, requires_grad=True)
    loss, wanted = feature_loss(features, other, truth), []
    for a, b in zip(features(other), features(truth), strict=True):
        responding = [
            each.square().sum(dim=1).sqrt().gt(1e-3 * each.square().sum(dim=1).mean().sqrt()) for each in (a, b)
        ]
        wanted.append(float((sum(responding) - 2 * cosine_similarity(a, b)).mean().detach()))
    assert float(loss.detach()) == pytest.approx(np.mean(wanted), rel=0.02)
    loss.backward()
    assert other.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in features.parameters())


def test_features_have_length_one_but_where_nothing_responds():
    maps = torch.rand(2, 5, 4, 4)
    maps[:, :, 0, 0] = 0
    found = unit(maps)
    assert torch.allclose(found.norm(dim=1)[:, 1:], torch.ones(2, 3, 4), atol=1e-4)
    assert not found[:, :, 0, 0].any()
    assert torch.allclose(unit(7 * maps), found, atol=1e-5)


def test_the_discriminator_sees_what_is_added_to_bicubic():
    network, low = seeded(Discriminator), torch.rand(2, 1, 8, 8)
    large, details = enlarge_maps(low, 4), 0.1 * torch.randn(2, 1, 32, 32)
    other = torch.rand(2, 1, 8, 8)
    assert torch.allclose(network(large + details, low), network(enlarge_maps(other, 4) + details, other), atol=1e-4)
    assert not torch.allclose(network(large + details, low), network(large - details, low), atol=1e-4)


def test_losses_are_cross_entropies_with_the_right_signs():
    network = seeded(Discriminator)
    fakes, low, high = torch.rand(3, 1, 32, 32), torch.rand(3, 1, 8, 8), torch.rand(3, 1, 32, 32)
    false, true = network(fakes, low), network(high, low)
    wanted = cross_entropy(true, torch.ones_like(true)) + cross_entropy(false, torch.zeros_like(false))
    assert float(distinguish(network, fakes, low, high).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    fooled = cross_entropy(false, torch.ones_like(false))
    pixels = mse_loss(fakes, high)
    assert float(Fool(None, 0.5, 2.0)(network, fakes, low, high).detach()) == pytest.approx(
        float((0.5 * fooled + 2 * pixels).detach()), rel=1e-5
    )
    features = Features(small_vgg(), ("conv2_2",))
    with_features = Fool(features, 0.5, 2.0)(network, fakes, low, high) - feature_loss(features, fakes, high)
    assert float(with_features.detach()) == pytest.approx(float((0.5 * fooled + 2 * pixels).detach()), rel=1e-4)


def test_the_generator_makes_the_high_resolution_of_a_batch():
    network = sharper(seeded(SRResNet))
    low = torch.rand(2, 1, 8, 8)
    assert torch.equal(make(network, low, torch.zeros(2, 1, 32, 32)), network(low)[0])


def test_adversarial_training_starts_from_srresnet_and_leaves_it_alone(tmp_path):
    run, start = a_run(tmp_path), sharper(seeded(SRResNet))
    before = [weight.clone() for weight in start.parameters()]
    found = train_adversarial(run, start, small_vgg())
    assert all(torch.equal(a, b) for a, b in zip(before, start.parameters(), strict=True))
    moved = max(float((a - b).abs().max()) for a, b in zip(before, found.parameters(), strict=True))
    assert 0 < moved < 0.02
    assert not found.training


# --- The dial ---------------------------------------------------------------------------------------------------------


def test_shares_lead_from_one_network_to_the_other():
    start, end = sharper(seeded(SRResNet), 1), sharper(seeded(SRResNet, 1), 2)
    for share, wanted in ((0.0, start), (1.0, end)):
        for a, b in zip(interpolated(start, end, share).parameters(), wanted.parameters(), strict=True):
            assert torch.allclose(a, b)
    middle = interpolated(start, end, 0.25).first.weight
    assert torch.allclose(middle, 0.75 * start.first.weight + 0.25 * end.first.weight)
    assert torch.equal(start.first.weight, sharper(seeded(SRResNet), 1).first.weight)


@pytest.mark.parametrize(
    ("distances", "psnr", "wanted"),
    [
        ((0.5, 0.4, 0.3, 0.2, 0.1), (30, 29.9, 29.8, 29.7, 29.65), 1.0),  # the nearest, where all are cheap
        ((0.5, 0.4, 0.3, 0.2, 0.1), (30, 29.9, 29.7, 29.5, 29.0), 0.5),  # those that cost more than LOSS do not count
        ((0.5, 0.6, 0.7, 0.8, 0.9), (30, 30, 30, 30, 30), 0.0),
    ],
)
def test_the_share_is_the_nearest_to_the_truth_that_costs_no_more(tmp_path, monkeypatch, distances, psnr, wanted):
    made, first, second = [], iter(distances), iter(psnr)
    monkeypatch.setattr(srgan, "interpolated", lambda start, end, share: made.append(share) or start)
    monkeypatch.setattr(srgan, "distances_of", lambda *_: np.full(3, next(first)))
    monkeypatch.setattr(srgan, "mean_psnr", lambda *_: float(next(second)))
    start, pairs = seeded(SRResNet), crops_of(photographs().train[:1], side=64)
    assert choose_share(a_run(tmp_path), start, start, Judge.of(small_judge()), pairs) == wanted
    assert made == list(SHARES)
    assert LOSS == 0.4


def test_without_a_judge_shares_and_amounts_are_the_middle_ones(tmp_path):
    start, pairs = seeded(SRResNet), crops_of(photographs().train[:1], side=64)
    assert choose_share(a_run(tmp_path), start, start, None, pairs) == 0.5
    assert choose_amount(None, pairs) == 1.5


# --- Looks ------------------------------------------------------------------------------------------------------------


def test_crops_lie_along_a_photograph_and_do_not_overlap():
    ramp = np.arange(576, dtype=np.int64)[None, :, None].repeat(200, 0).repeat(3, 2).astype(np.uint8)
    assert [each[0, 0, 0] for each in squares(ramp, 192, 3)] == [0, 192, 384 % 256]
    assert squares(ramp, 192, 1)[0][0, 0, 0] == 192
    tall = squares(ramp.transpose(1, 0, 2), 192, 3)
    assert [each[0, 0, 0] for each in tall] == [0, 192, 128]
    with pytest.raises(ValueError, match="100 × 90 pixels has no square of 96 × 96"):
        squares(np.zeros((100, 90, 3), np.uint8), 96, 3)


def test_at_least_twenty_crops_are_judged_in_groups_by_author():
    pairs = crops_of(photographs().test)
    assert len(pairs) == 21
    assert len(np.unique(pairs.groups)) == 6
    assert {each.shape for each in pairs.answers} == {(192, 192, 3)}
    assert all((reduce(high, 4) == low).all() for low, high in zip(pairs.inputs, pairs.answers, strict=True))
    assert pairs.metric("PSNR") == "PSNR ×4 on crops"


def test_an_unsharp_mask_adds_what_a_blur_takes_away():
    y = luma(picture(0))
    assert_allclose(sharpened(y, 0.0), y)
    assert_allclose(sharpened(y, 2.0), 3 * y - 2 * gaussian_filter(y, 1.5, mode="nearest"))
    flat = np.full((9, 9), 80.0)
    assert_allclose(sharpened(flat, 3.0), 80)


def test_mean_psnr_is_over_pictures():
    pairs = crops_of(photographs().train[:1], side=64)
    assert mean_psnr(pairs, list(pairs.truths)) == 100
    assert mean_psnr(pairs, [each + 1 for each in pairs.truths]) == pytest.approx(48.13, abs=0.01)


# --- The lesson -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_the_lesson_scores_all_on_the_same_pictures_and_says_what_is_missing(there, tmp_path, monkeypatch):
    judged_on = []
    if there:
        monkeypatch.setattr(srgan, "vgg_or_none", lambda *_: small_vgg())
        monkeypatch.setattr(srgan, "squeezenet_or_none", lambda *_: small_judge())
        monkeypatch.setattr(srgan, "FEATURES", ("conv2_2",))
        real = srgan.Features
        monkeypatch.setattr(srgan, "Features", lambda network: real(network, ("conv2_2",)))
    choose = srgan.choose_share
    monkeypatch.setattr(srgan, "choose_share", lambda *args: judged_on.append(args[-1]) or choose(*args))
    run = a_run(tmp_path, "super_resolution/srgan")
    srgan.lesson(run)
    assert list(run.methods) == [SRRESNET, WHOLE, SRGAN, BICUBIC, UNSHARP, A_PLUS]
    metrics = {"PSNR ×4", "SSIM ×4", "PSNR ×4 on crops", "SSIM ×4 on crops", "spectral distance ×4 on crops"}
    metrics |= {"perceptual distance ×4 on crops"} if there else set()
    assert all(set(method.items) == metrics for method in run.methods.values())
    assert {each.name for each in run.record.pictures} == {"crops", "spectra"}
    test = {each.name for each in photographs().test}
    assert not set(judged_on[0].names) & test
    notes = " ".join(run.record.notes)
    assert ("loss of features" in notes) != there
    assert all(each.credit in run.record.pictures[0].caption for each in photographs().test[:2])
