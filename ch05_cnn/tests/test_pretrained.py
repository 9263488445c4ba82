"""What is done to the photos before the network sees them; and, where its weights are at hand, what it says."""

import numpy as np
import pytest

from ch05_cnn import pretrained
from common import data
from common.data import Scale, weights
from common.errors import Problem


@pytest.fixture(scope="module")
def cat():
    return pretrained.square(data.photo("chelsea"))


def test_a_square_is_torchvisions_preprocessing(cat):
    """Resize to 256 and crop the middle 224: torchvision's own transforms give the same pixels, standardised."""
    from PIL import Image
    from torchvision.models import get_weight

    theirs = get_weight(weights.MOBILENET_V2.torchvision).transforms()
    photo = Image.fromarray(data.photo("chelsea"))
    preset = type(theirs)(crop_size=224, resize_size=256)
    expected = preset(photo)
    ours = weights.imagenet_inputs(cat[None])[0]
    assert float((ours - expected).abs().median()) < 0.02
    assert float((ours - expected).abs().max()) < 0.5, "a pixel's rounding apart, no more"


def test_a_grey_photo_has_three_equal_channels():
    square = pretrained.square(data.photo("gravel"))
    assert square.shape == (224, 224, 3)
    np.testing.assert_array_equal(square[..., 0], square[..., 2])


def test_shuffled_tiles_are_the_same_tiles_elsewhere(cat):
    side, shuffled = 56, pretrained.shuffled(cat)
    rows = range(0, 224, side)

    def tiles(photo):
        return {photo[y : y + side, x : x + side].tobytes() for y in rows for x in rows}

    assert tiles(shuffled) == tiles(cat)
    assert (shuffled != cat).any()


@pytest.mark.parametrize("name", pretrained.CHANGES)
def test_a_change_keeps_the_shape_and_leaves_the_photo_alone(cat, name):
    before = cat.copy()
    changed = pretrained.CHANGES[name](cat)
    assert changed.shape == cat.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(cat, before)
    assert (name == "as it is") == np.array_equal(changed, cat)


def test_it_names_a_cat_and_an_espresso():
    try:
        network = weights.mobilenet_v2(Scale("smoke"))  # smoke: if it is in the cache
    except Problem as problem:
        pytest.skip(str(problem))
    names = np.array(weights.imagenet_classes())
    photos = [pretrained.square(data.photo(name)) for name in ("chelsea", "coffee")]
    cat, espresso = names[pretrained.probabilities(network, photos).argmax(axis=1)]
    assert cat in pretrained.CATS
    assert espresso == "espresso"
