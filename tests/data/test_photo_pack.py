"""The carried photographs: sizes, parts, credits, and that they look like photographs."""

import shutil
import time

import numpy as np
import pytest

from common import data
from common.data import build_photographs, embedded, photo_pack
from common.errors import Problem


@pytest.fixture(scope="module")
def found():
    return data.photographs()


def whole(found):
    return found.train + found.test + found.paintings


def test_there_are_twenty_and_a_painting_and_parts_share_none(found):
    assert (len(found.train), len(found.test), len(found.paintings)) == (13, 7, 1)
    names = [picture.name for picture in whole(found)]
    assert len(set(names)) == len(names)
    assert len({picture.image.tobytes() for picture in whole(found)}) == len(names)
    assert len({source.file for source in build_photographs.SOURCES}) == len(names), "nor two cuts of one original"


def test_sizes_and_types(found):
    for picture in whole(found):
        assert max(picture.image.shape) == 576
        assert min(picture.image.shape[:2]) >= 320
        assert picture.image.shape[2] == 3
        assert picture.image.dtype == np.uint8
        assert not picture.image.flags.writeable


def test_all_but_one_have_colour_and_every_test_photograph_has(found):
    def chroma(picture):
        image = picture.image.astype(float)
        return np.ptp(image, axis=2).mean()

    grey = [picture.name for picture in whole(found) if chroma(picture) < 5]
    assert grey == ["facade"]
    assert min(chroma(picture) for picture in found.test) > 15


def test_jpeg_s_blocks_are_gone(found):
    """Differences across every eighth column are as large as across the others; in the JPEG itself they are larger."""
    for picture in whole(found):
        steps = np.abs(np.diff(picture.image.astype(float).mean(axis=2), axis=1)).mean(axis=0)
        by_phase = np.array([steps[phase::8].mean() for phase in range(8)])
        assert by_phase.max() < 1.15 * by_phase.mean(), picture.name


def test_neighbouring_pixels_are_alike_and_no_channel_is_swapped(found):
    named = {picture.name: picture.image.astype(float) for picture in whole(found)}
    for name, image in named.items():
        assert np.corrcoef(image[:, :-1].ravel(), image[:, 1:].ravel())[0, 1] > 0.75, name
    red, green, blue = named["boats"][:60].mean(axis=(0, 1))
    assert named["rain"].mean(axis=(0, 1)).argmax() == 1, "leaves are green"
    assert named["dune"][:100].mean(axis=(0, 1)).argmax() == 2, "the sky is blue"
    assert named["leaf"].mean(axis=(0, 1)).argmax() == 0, "autumn is red"
    assert min(red, green, blue) > 20


def test_everybody_is_credited_here_and_in_the_provenance(found):
    provenance = (embedded.FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    for picture in whole(found):
        for said in (picture.title, picture.author, picture.licence):
            assert said in picture.credit
        said = (f"photographs/{picture.name}.webp", picture.title, picture.author, picture.licence)
        assert any(all(word in line for word in said) for line in provenance.splitlines()), picture.name
        assert picture.licence in {"CC BY 4.0", "CC BY-SA 4.0", "CC0 1.0", "GPL-2.0-or-later", "LGPL-3.0"}


def test_they_load_in_half_a_second():
    seconds = []
    for _ in range(4):
        start = time.process_time()
        data.photographs()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def test_a_damaged_or_missing_photograph_is_one_line(tmp_path):
    packs = tmp_path / "packs"
    shutil.copytree(embedded.FOLDER / "photographs", packs / "photographs")
    shutil.copy(embedded.FOLDER / "manifest.json", packs)
    assert len(photo_pack.photographs(packs).test) == 7
    path = packs / "photographs" / "dogs.webp"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Problem, match=r"dogs\.webp is damaged.*git checkout"):
        photo_pack.photographs(packs)
    path.unlink()
    with pytest.raises(Problem, match=r"dogs\.webp can't be read.*git checkout"):
        photo_pack.photographs(packs)
    text = (packs / "manifest.json").read_text(encoding="utf-8")
    (packs / "manifest.json").write_text(text.replace('"part": "train"', '"part": "other"'), encoding="utf-8")
    with pytest.raises(Problem, match=r"manifest\.json is damaged"):
        photo_pack.photographs(packs)
