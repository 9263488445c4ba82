"""Flickr8k in a reader's folder: captions belong to their images, the split depends on names, faults have lines."""

import numpy as np
import pytest
from PIL import Image

from common.data import Scale, flickr8k
from common.errors import Problem

NAMES = [f"{number:03d}_ab.jpg" for number in range(40)]
SPECIAL = 'Two dogs , one black , say ""woof"" .'


def colour(name):
    return (int(name[:3]) * 6, 100, 50)


def lines():
    """Five captions per image; the second has commas and quotes."""
    made = ["image,caption"]
    for name in NAMES:
        made += [f"{name},A first caption of {name} .", f'{name},"{SPECIAL}"']
        made += [f'{name},A "third" one', f"{name},{name[:3]} fourth ", f"{name},The fifth"]
    return made


class Folder:
    def __init__(self, path):
        self.path = path
        (path / "images").mkdir(parents=True)
        for name in NAMES:
            Image.new("RGB", (30, 20), colour(name)).save(path / "images" / name, quality=100)
        self.write(lines())

    def write(self, made):
        (self.path / "captions.txt").write_text("\n".join(made) + "\n", encoding="utf-8")

    def load(self, preset="lecture"):
        return flickr8k.flickr8k(Scale(preset, self.path.parent), size=8)

    def failure(self):
        with pytest.raises(Problem) as caught:
            self.load()
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "flickr8k")


def parts(found):
    return (found.train, found.validation, found.test)


def test_images_and_captions_belong_together(folder):
    for part in parts(folder.load()):
        for image, captions, name in zip(part.images, part.captions, part.names, strict=True):
            assert np.abs(image.mean(axis=(0, 1)) - colour(name)).max() < 4
            assert image.shape == (8, 8, 3)
            assert captions == (
                f"A first caption of {name} .",
                'Two dogs , one black , say "woof" .',
                'A "third" one',
                f"{name[:3]} fourth",
                "The fifth",
            )


def test_the_split_is_by_image_and_depends_on_the_name_alone(folder):
    found = folder.load()
    names = [set(part.names) for part in parts(found)]
    assert set.union(*names) == set(NAMES)
    assert sum(map(len, names)) == len(NAMES)
    for name in NAMES[::2]:
        (folder.path / "images" / name).unlink()
    folder.write([line for line in lines() if line.partition(",")[0] not in NAMES[::2]])
    for before, after in zip(names, (set(part.names) for part in parts(folder.load())), strict=True):
        assert after == before - set(NAMES[::2])


def test_about_an_eighth_is_test_and_a_tenth_validation():
    where = [flickr8k.part_of(f"{number}.jpg") for number in range(8000)]
    assert abs(where.count("test") - 1000) < 100
    assert abs(where.count("validation") - 800) < 100


def test_a_folder_may_be_called_images_with_a_capital(folder):
    (folder.path / "images").rename(folder.path / "Images")
    assert len(folder.load().train) > 20


def test_at_smoke_few_are_read_and_a_part_of_a_part_keeps_its_places(folder):
    found = folder.load("smoke")
    assert len(found.train) == 24
    few = found.train.take([3, 1])
    assert few.names == (found.train.names[3], found.train.names[1])
    assert few.captions[0] == found.train.captions[3]
    assert few.ids.tolist() == [3, 1]


@pytest.mark.parametrize(
    "line",
    [
        "000_ab.jpg",
        "000_ab.jpg,",
        ",a caption without an image",
        "000_ab.jpg,a caption , with a comma and no quotes",
        '000_ab.jpg,"a caption whose quotes do not close',
    ],
)
def test_a_broken_line_is_named_by_its_number(folder, line):
    folder.write([*lines()[:7], line, *lines()[7:]])
    assert "captions.txt, line 8: " in folder.failure()
    assert "is not image,caption" in folder.failure()


def test_a_file_without_its_header_or_of_another_encoding_is_named(folder):
    folder.write(lines()[1:])
    assert "captions.txt, line 1: expected the header image,caption" in folder.failure()
    (folder.path / "captions.txt").write_bytes(b"image,caption\n\xff\xfe")
    assert "captions.txt can't be read as captions" in folder.failure()


def test_an_image_without_captions_is_named(folder):
    folder.write([line for line in lines() if not line.startswith("007")])
    assert f"{folder.path / 'images' / '007_ab.jpg'} has no captions in" in folder.failure()


def test_a_caption_of_an_image_that_is_not_there_is_named(folder):
    folder.write([*lines(), "none.jpg,A caption of nothing"])
    said = folder.failure()
    assert f"captions.txt, line {len(lines()) + 1}: there is no image {folder.path / 'images' / 'none.jpg'}" in said


def test_a_damaged_picture_is_named(folder):
    (folder.path / "images" / NAMES[5]).write_bytes(b"no picture")
    assert f"{NAMES[5]} can't be read as a picture" in folder.failure()


def test_a_missing_set_is_one_line_and_a_lesson_goes_on(tmp_path):
    heard = []
    assert flickr8k.flickr8k_or_none(Scale("lecture", tmp_path), heard.append) is None
    (said,) = heard
    for words in ("Left out: no Flickr8k", str(tmp_path), "Flickr8k archive", "--data DIR"):
        assert words in said
    assert "\n" not in said
