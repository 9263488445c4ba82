"""The preprocessing of photos; and, if the weights are available, the network's predictions."""

import numpy as np
import pytest
import torch

from ch05_cnn import pretrained
from common import data
from common.console import Console
from common.data import Scale, weights
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run


@pytest.fixture(scope="module")
def cat():
    return pretrained.crop_square(data.photo("chelsea"))


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
    square = pretrained.crop_square(data.photo("gravel"))
    assert square.shape == (224, 224, 3)
    np.testing.assert_array_equal(square[..., 0], square[..., 2])


def test_shuffled_tiles_are_the_same_tiles_elsewhere(cat):
    side, shuffled = 56, pretrained.shuffle_tiles(cat)
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
    photos = [pretrained.crop_square(data.photo(name)) for name in ("chelsea", "coffee")]
    cat, espresso = names[pretrained.compute_probabilities(network, photos).argmax(axis=1)]
    assert cat in pretrained.CATS
    assert espresso == "espresso"


class SeesRed(torch.nn.Module):
    """A stand-in for a trained network: the redder a photo, the likelier is class 7, and class 3 comes next."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, x):
        scores = torch.zeros(len(x), 1000)
        scores[:, 7], scores[:, 3] = self.slope * x[:, 0].mean(dim=(1, 2)), 5
        return scores


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Run the lesson with a reader's photo. Returns its record."""
    monkeypatch.setattr(weights, "mobilenet_v2_or_none", lambda scale, say: SeesRed())

    def run(photo):
        record = LessonRecord("", "")
        pretrained.lesson(Run("pretrained", 0, Scale("smoke"), record, tmp_path, Console(quiet=True), photo=photo))
        return record

    return run


def test_a_reader_s_photo_is_answered_with_five_classes(asked):
    red = np.zeros((300, 500, 3), np.uint8)
    red[..., 0] = 255
    red[:, :100] = red[:, 400:] = 0, 255, 0  # what the middle square leaves out
    record = asked(red)
    names = weights.imagenet_classes()
    (note,) = [note for note in record.notes if note.startswith("Your photo")]
    assert note.startswith(f"Your photo: {names[7]} 100.0%, {names[3]} 0.0%, ")
    assert note.count("%") == 5
    assert [picture.name for picture in record.pictures] == ["answers", "changes", "yours"]


def test_without_a_photo_nothing_is_said_of_one(asked):
    record = asked(None)
    assert [picture.name for picture in record.pictures] == ["answers", "changes"]
    assert not any("Your photo" in note for note in record.notes)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 4_000_000, 3), (4_000_000, 3, 3)])
def test_a_photo_of_any_shape_is_answered(asked, shape):
    assert any(note.startswith("Your photo") for note in asked(np.full(shape, 200, np.uint8)).notes)


def test_the_middle_of_a_photo():
    photo = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    np.testing.assert_array_equal(pretrained.crop_middle(photo), photo[:, 1:3])
    np.testing.assert_array_equal(pretrained.crop_middle(photo.swapaxes(0, 1)), photo.swapaxes(0, 1)[1:3])
