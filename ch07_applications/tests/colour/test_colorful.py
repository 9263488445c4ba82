"""Colorful image colorization: bins, soft encoding, rebalancing, the annealed mean, and the two networks."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch.nn import functional

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.colour.ab_bins import SIDE, Colours, centres, nearest_bin, shares
from ch07_applications.colour.colorful import (
    SIGMA,
    SmallNetwork,
    annealed_mean,
    bin_loss,
    bins_of_chroma,
    published_network,
    rebalancing,
    smoothed,
    soft_encode,
    squared_error,
)
from ch07_applications.colour.photographs import REACH


def random_shares(seed=0):
    counts = np.random.default_rng(seed).dirichlet(np.full(len(centres()), 0.05))
    return counts / counts.sum()


def test_every_colour_of_the_faces_of_the_cube_has_its_bin_among_the_centres():
    """Chroma is largest on the faces of the RGB cube: with all 256 levels there no other bin occurs than with 64."""
    level = np.arange(256, dtype=np.uint8)
    a, b = np.meshgrid(level, level)
    known = {tuple(centre) for centre in centres()}
    for channel in range(3):
        for value in (0, 255):
            face = np.insert(np.stack([a, b], axis=-1), channel, value, axis=-1)
            found = SIDE * np.unique(np.round(rgb2lab(face)[..., 1:] / SIDE).reshape(-1, 2), axis=0)
            assert {tuple(each) for each in found} <= known
    assert len(centres()) == 261  # by the nearest centre; Zhang et al. publish a list of 313


def test_the_nearest_bin_is_the_nearest():
    chroma = np.random.default_rng(0).uniform(-90, 90, (200, 2))
    distance = ((chroma[:, None] - centres()[None]) ** 2).sum(axis=2)
    assert np.array_equal(distance.min(axis=1), distance[np.arange(200), nearest_bin(chroma)])
    assert shares(centres()) == pytest.approx(np.full(261, 1 / 261))
    assert Colours(shares(centres()[:5])).common.sum() == 5


def test_soft_encoding_is_a_normalised_gaussian_over_the_five_nearest_bins():
    chroma = torch.rand((50, 2), generator=torch.Generator().manual_seed(0)) * 80 - 40
    bin_, weight = soft_encode(chroma, bins_of_chroma())
    assert bin_.shape == (50, 5)
    assert torch.allclose(weight.sum(dim=1), torch.ones(50))
    assert np.array_equal(bin_[:, 0].numpy(), nearest_bin(chroma.numpy()))
    distance = (chroma[:, None] - bins_of_chroma()[bin_]).square().sum(dim=2)
    assert torch.all(distance.diff(dim=1) >= 0)
    ratio = torch.exp((distance[:, 0] - distance[:, 3]) / (2 * SIGMA**2))
    assert torch.allclose(weight[:, 3] / weight[:, 0], ratio, rtol=1e-4)


def test_encoding_and_the_mean_bring_a_colour_nearly_back():
    """At temperature 1 the mean of the soft encoding is within a fraction of a bin's side of the colour."""
    chroma = torch.rand((100, 2), generator=torch.Generator().manual_seed(1)) * 40 - 20
    bin_, weight = soft_encode(chroma, bins_of_chroma())
    back = (weight[..., None] * bins_of_chroma()[bin_]).sum(dim=1)
    assert (back - chroma).norm(dim=1).max() < SIDE / 2


def test_smoothing_keeps_the_sum_and_weights_have_a_mean_of_one():
    given = random_shares()
    assert smoothed(given).sum() == pytest.approx(1)
    assert smoothed(given).max() < given.max()
    for uniform in (0.25, 0.5, 0.9):
        assert smoothed(given) @ rebalancing(given, uniform) == pytest.approx(1)


def test_rare_colours_weigh_more_and_within_a_bound():
    given, q = random_shares(), len(centres())
    weights = rebalancing(given)
    order = np.argsort(smoothed(given))
    assert np.all(np.diff(weights[order]) <= 0)
    # (1 − λ) p̃ + λ/Q lies between λ/Q and (1 − λ) max p̃ + λ/Q
    assert weights.max() / weights.min() <= 1 + q * smoothed(given).max()
    assert rebalancing(given, 1.0) == pytest.approx(np.ones(q))


def test_temperature_one_is_the_mean_and_zero_the_mode():
    logits = torch.randn((2, 261, 3, 3), generator=torch.Generator().manual_seed(0)) * 3
    bins = bins_of_chroma()
    mean = torch.einsum("nqhw,qc->nchw", logits.softmax(dim=1), bins)
    assert torch.allclose(annealed_mean(logits, bins, 1.0), mean, atol=1e-4)
    mode = annealed_mean(logits, bins, 0)
    assert torch.equal(mode[1, :, 2, 0], bins[logits[1, :, 2, 0].argmax()])
    assert torch.allclose(annealed_mean(logits, bins, 1e-3), mode, atol=1e-2)


def test_the_temperature_divides_log_probabilities_and_not_probabilities():
    logits = torch.randn((1, 261, 2, 2), generator=torch.Generator().manual_seed(2)) * 3
    z = logits.softmax(dim=1) ** (1 / 0.38)
    wanted = torch.einsum("nqhw,qc->nchw", z / z.sum(dim=1, keepdim=True), bins_of_chroma())
    assert torch.allclose(annealed_mean(logits, bins_of_chroma()), wanted, atol=1e-3)
    wrong = torch.einsum("nqhw,qc->nchw", (logits.softmax(dim=1) / 0.38).softmax(dim=1), bins_of_chroma())
    assert not torch.allclose(wrong, wanted, atol=1.0)


def test_the_loss_is_the_cross_entropy_with_the_dense_target():
    generator = torch.Generator().manual_seed(0)
    logits, chroma = (
        torch.randn((2, 261, 4, 4), generator=generator),
        torch.randn((2, 2, 4, 4), generator=generator) * 20,
    )
    flat = chroma.permute(0, 2, 3, 1).reshape(-1, 2)
    bin_, weight = soft_encode(flat, bins_of_chroma())
    target = torch.zeros(32, 261).scatter_(1, bin_, weight)
    rows = logits.permute(0, 2, 3, 1).reshape(-1, 261)
    assert torch.allclose(bin_loss(logits, chroma), functional.cross_entropy(rows, target), rtol=1e-5)
    weights = torch.rand(261, generator=generator)
    each = functional.cross_entropy(rows, target, reduction="none")
    wanted = (weights[torch.tensor(nearest_bin(flat.numpy()))] * each).mean()
    assert torch.allclose(bin_loss(logits, chroma, None, weights), wanted, rtol=1e-5)


def test_weights_of_rebalancing_reach_the_gradient():
    """A weight that is applied to the loss that is printed, and not to the one that is differentiated, is a mistake."""
    chroma = torch.tensor([[-40.0, 40.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
    weights = torch.ones(261)
    weights[nearest_bin(np.array([-40.0, 40.0]))] = 5.0
    gradients = []
    for each in (None, weights):
        logits = torch.zeros((2, 261, 1, 1), requires_grad=True)
        bin_loss(logits, chroma, None, each).backward()
        gradients.append(logits.grad)
    assert torch.allclose(gradients[1][0], 5 * gradients[0][0])
    assert torch.allclose(gradients[1][1], gradients[0][1])


def test_the_mean_minimises_the_squared_error_of_two_likely_colours():
    red, blue = torch.tensor([60.0, 40.0]), torch.tensor([10.0, -50.0])
    both = torch.stack([red, blue])[..., None, None]

    def error(colour):
        return float(squared_error((colour / 25).expand(2, -1)[..., None, None], both))

    assert error((red + blue) / 2) < min(error(red), error(blue))


def test_the_published_network_has_its_parameters_and_a_quarter_of_the_resolution():
    with torch.device("meta"):
        network = published_network()
    assert parameters_of(network) == 32_236_011
    maps = [layer.map for layer in layers_of(network, (1, 224, 224))]
    assert maps[-1] == (2, 56, 56)
    assert (313, 56, 56) in maps
    assert min(size for _, size, _ in maps) == 28  # dilation keeps an eighth; no map is smaller


def test_the_small_network_predicts_at_half_the_resolution_for_any_size():
    network = SmallNetwork(5, 8).eval()
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 5, 16, 16)
    assert network(torch.zeros(2, 1, 40, 64)).shape == (2, 5, 20, 32)
    with pytest.raises(ValueError, match="multiples of 4, got \\(30, 32\\)"):
        network(torch.zeros(1, 1, 30, 32))


def test_no_pixel_beyond_the_reach_matters():
    torch.manual_seed(0)
    network = SmallNetwork(2, 16).eval()
    for weight in network.parameters():  # all positive: no rectifier closes, and every path counts
        weight.data.abs_()
    lightness = torch.rand((1, 1, 8, 256), generator=torch.Generator().manual_seed(0)).requires_grad_()
    network(lightness)[0, :, 2, 64].sum().backward()  # the half-size pixel of columns 128 and 129
    columns = lightness.grad[0, 0].abs().sum(dim=0).nonzero().ravel()
    assert 128 - columns.min() <= REACH
    assert columns.max() - 129 <= REACH
    assert columns.max() - columns.min() > REACH  # it is not a bound that anything would keep
