"""Sets in SelfExSR's layout: pairs belong together, other methods' answers are passed over, faults are one line."""

import numpy as np
import pytest
from PIL import Image

from common.data import Scale
from common.data.super_resolution_sets import super_resolution_set, super_resolution_set_or_none
from common.errors import Problem

LOW = {"img_001": (4, 5), "img_002": (6, 3)}


def low(name):
    return np.random.default_rng(int(name[-1])).integers(0, 256, (*LOW[name], 3), dtype=np.uint8)


def lay(folder, factor, names=tuple(LOW)):
    place = folder / f"image_SRF_{factor}"
    place.mkdir(parents=True)
    for name in names:
        Image.fromarray(low(name)).save(place / f"{name}_SRF_{factor}_LR.png")
        high = low(name).repeat(factor, axis=0).repeat(factor, axis=1)
        Image.fromarray(high).save(place / f"{name}_SRF_{factor}_HR.png")
        Image.fromarray(high[::2]).save(place / f"{name}_SRF_{factor}_SRCNN.png")


@pytest.fixture
def folder(tmp_path):
    for factor in (2, 3, 4):
        lay(tmp_path / "Set5", factor)
    return tmp_path / "Set5"


def failure(folder, name="Set5"):
    with pytest.raises(Problem) as caught:
        super_resolution_set(Scale("lecture", folder.parent), name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pairs_of_every_factor_belong_together(folder):
    found = super_resolution_set(Scale("smoke", folder.parent))
    assert list(found.pairs) == [2, 3, 4]
    for factor, pairs in found.pairs.items():
        assert [pair.name for pair in pairs] == list(LOW)
        for pair in pairs:
            assert np.array_equal(pair.low, low(pair.name))
            assert np.array_equal(pair.high[::factor, ::factor], pair.low)


@pytest.mark.parametrize("place", ["Set14", "SelfExSR/data/Set14", "data/Set14"])
def test_any_set_in_this_layout_is_read_with_the_factors_and_names_it_has(tmp_path, place):
    lay(tmp_path / place, 8, ("img_002",))
    found = super_resolution_set(Scale("lecture", tmp_path), "Set14")
    assert (found.name, list(found.pairs), found.pairs[8][0].name) == ("Set14", [8], "img_002")


def test_a_grey_picture_becomes_colour(folder):
    for path in (folder / "image_SRF_2").glob("img_001*"):
        Image.open(path).convert("L").save(path)
    pair = super_resolution_set(Scale("lecture", folder.parent)).pairs[2][0]
    assert pair.low.shape == (4, 5, 3)


def test_a_missing_set_is_one_line_and_a_lesson_goes_on(tmp_path):
    heard = []
    assert super_resolution_set_or_none(Scale("lecture", tmp_path), heard.append, "Urban100") is None
    (said,) = heard
    for words in ("Left out: no Urban100", str(tmp_path / "Urban100"), "jbhuang0604/SelfExSR", "--data DIR"):
        assert words in said
    (tmp_path / "Urban100").mkdir()
    assert "has no folder image_SRF_2" in failure(tmp_path / "Urban100", "Urban100")


@pytest.mark.parametrize("missing", ["LR", "HR"])
def test_a_missing_half_is_named(folder, missing):
    (folder / "image_SRF_3" / f"img_002_SRF_3_{missing}.png").unlink()
    assert failure(folder) == f"{folder / 'image_SRF_3'} has no picture img_002_SRF_3_{missing}, but its counterpart"


def test_sizes_that_do_not_fit_the_factor_are_named(folder):
    path = folder / "image_SRF_4" / "img_001_SRF_4_HR.png"
    Image.fromarray(np.zeros((16, 19, 3), np.uint8)).save(path)
    assert failure(folder) == f"{path} has 19 × 16 pixels, but img_001_SRF_4_LR.png 5 × 4: not a factor of 4"


def test_a_damaged_picture_and_a_folder_without_pairs_are_named(folder):
    path = folder / "image_SRF_2" / "img_001_SRF_2_LR.png"
    path.write_bytes(b"no picture")
    assert f"{path} can't be read as a picture" in failure(folder)
    for path in (folder / "image_SRF_2").iterdir():
        path.rename(path.with_name(path.name.replace("_SRF_2", "")))
    assert "has no pictures NAME_SRF_2_HR" in failure(folder)
