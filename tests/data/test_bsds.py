"""BSDS500 in a reader's folder: parts, sizes, and what is said where it is missing or damaged."""

import numpy as np
import pytest
from PIL import Image

from common.data import Scale, bsds
from common.errors import Problem


def lay(folder, part, shapes, suffix=".png"):
    (folder / "images" / part).mkdir(parents=True)
    for number, shape in enumerate(shapes):
        Image.fromarray(np.full((*shape, 3), 8 * number, np.uint8)).save(folder / "images" / part / f"{number}{suffix}")


@pytest.fixture(params=["BSDS500", "BSR/BSDS500/data", ""])
def folder(tmp_path, request):
    lay(tmp_path / request.param, "train", [(32, 48), (48, 32)])
    lay(tmp_path / request.param, "val", [(32, 48)])
    return tmp_path


def test_parts_are_read_upright_and_lying_and_test_where_it_is(folder):
    found = bsds.bsds500(Scale("lecture", folder))
    assert [image.shape for image in found.train.images] == [(32, 48, 3), (48, 32, 3)]
    assert (found.train.names, len(found.validation), found.test) == (("0", "1"), 1, None)
    assert found.train.images[1].max() == 8
    place = next(folder.rglob("val")).parents[1]
    lay(place, "test", [(32, 48)] * 3, ".bmp")
    assert len(bsds.bsds500(Scale("lecture", folder)).test) == 3


def test_pictures_are_reduced_in_proportion(folder):
    found = bsds.bsds500(Scale("lecture", folder), longest=24)
    assert [image.shape for image in found.train.images] == [(16, 24, 3), (24, 16, 3)]


def test_at_smoke_a_few_are_read(tmp_path):
    for part in ("train", "val"):
        lay(tmp_path, part, [(4, 6)] * 30)
    found = bsds.bsds500(Scale("smoke", tmp_path))
    assert (len(found.train), found.train.names[-1]) == (24, "9")


def test_what_is_missing_or_damaged_is_one_line(folder, tmp_path_factory):
    heard = []
    assert bsds.bsds500_or_none(Scale("lecture", tmp_path_factory.mktemp("none")), heard.append) is None
    next(folder.rglob("0.png")).write_bytes(b"no picture")
    assert bsds.bsds500_or_none(Scale("lecture", folder), heard.append) is None
    with pytest.raises(Problem):
        bsds.bsds500(Scale("lecture", folder))
    missing, damaged = heard
    for words in ("Left out: no BSDS500", "Berkeley's BSDS500 archive", "--data DIR"):
        assert words in missing
    assert "0.png can't be read as a picture" in damaged
    assert not any("\n" in said for said in heard)
