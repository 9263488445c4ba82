"""The loss by tiles: value and gradient of the whole picture, for any size, and no seam in the result."""

import numpy as np
import pytest

from ch07_applications.style.gatys import Loss, Recipe, search
from ch07_applications.style.pixels import inputs_of, picture_of
from ch07_applications.style.tiled_loss import MARGIN, STRIDE, TiledLoss, stride_of
from ch07_applications.tests.style.small_networks import small_vgg


@pytest.fixture(scope="module")
def network():
    return small_vgg()


def picture(seed, size):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def both(loss, pixels):
    pixels = pixels.clone().requires_grad_()
    value = loss(pixels)
    value.backward()
    return float(value.detach()), pixels.grad


@pytest.mark.parametrize("size", [(160, 96), (75, 250), (40, 47), (16, 16)], ids=str)
@pytest.mark.parametrize("average", [True, False], ids=["average", "maximum"])
def test_value_and_gradient_are_those_of_the_whole(network, size, average):
    loss = Loss(network, picture(2, size), picture(1, (64, 48)), 3.0, average=average)
    given = inputs_of(picture(0, size))
    whole, tiles = both(loss, given), both(TiledLoss(loss, 32), given)
    assert tiles[0] == pytest.approx(whole[0], rel=1e-4)
    scale = whole[1].abs().max()
    assert (tiles[1] - whole[1]).abs().max() < 1e-4 * scale


@pytest.mark.parametrize("which", ["content", "style"])
def test_a_reconstruction_has_one_of_the_two(network, which):
    loss, given = Loss(network, **{which: picture(1, (64, 80))}), inputs_of(picture(0, (64, 80)))
    whole, tiles = both(loss, given), both(TiledLoss(loss, 32), given)
    assert tiles[0] == pytest.approx(whole[0], rel=1e-4)
    assert (tiles[1] - whole[1]).abs().max() < 1e-4 * whole[1].abs().max()


def test_gram_matrices_of_single_tiles_would_be_another_loss(network):
    """The reason for a first pass that sums them: the mean of the tiles' own losses is not a substitute."""
    loss, given = Loss(network, style=picture(1, (64, 64))), inputs_of(picture(0, (64, 128)))
    apart = np.mean([float(loss(given[..., :64])), float(loss(given[..., 64:]))])
    assert abs(apart - float(loss(given))) > 10 * abs(float(TiledLoss(loss, 32)(given)) - float(loss(given)))


def test_a_search_by_tiles_finds_the_same_picture(network):
    loss = Loss(network, picture(2, (80, 64)), picture(1, (64, 64)))
    start = inputs_of(picture(2, (80, 64)))
    found = [picture_of(search(each, start, 8)[0]).astype(int) for each in (loss, TiledLoss(loss, 32))]
    assert np.abs(found[0] - found[1]).max() <= 2
    assert np.abs(found[0] - picture(2, (80, 64))).mean() > 2


def test_the_recipe_takes_tiles(network):
    content, style = picture(2, (96, 64)), picture(1, (64, 64))
    plain, tiled = (Recipe(evaluations=6, tile=tile).restyle(network, content, style)[0] for tile in (None, 32))
    assert np.abs(plain.astype(int) - tiled).max() <= 2


def test_the_margin_is_wider_than_what_a_unit_of_the_last_layer_depends_on(network):
    loss = Loss(network, style=picture(1, (64, 64)))
    given = inputs_of(picture(0, (16, 320))).requires_grad_()
    maps = loss.activations(given)["relu5_1"]
    maps[0, :, 0, 10].sum().backward()  # of the pixels 160 … 175
    columns = given.grad.abs().sum(dim=(0, 1, 2)).nonzero().ravel()
    reach = max(160 - int(columns.min()), int(columns.max()) - 175)
    assert MARGIN % STRIDE == 0
    assert reach <= 74 < MARGIN
    assert [stride_of(f"relu{block}_1") for block in range(1, 6)] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("tile", [0, 8, 40])
def test_a_tile_is_whole_units_of_the_last_layer(network, tile):
    with pytest.raises(ValueError, match=f"multiple of 16 pixels along a side, got {tile}"):
        TiledLoss(Loss(network, style=picture(1, (64, 64))), tile)
