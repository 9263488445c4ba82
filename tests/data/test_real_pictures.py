"""A reader's own pictures: every format and size is read, and what can't be is one line that names the file."""

import numpy as np
import pytest
from PIL import Image

from common.data import Scale, real_pictures
from common.errors import Problem


def picture(height=6, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".ppm", ".webp"])
def test_every_format_is_read(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(picture()).save(tmp_path / f"a{suffix}", **options)
    assert real_pictures.pictures_in(tmp_path) == [tmp_path / f"a{suffix}"]
    assert np.array_equal(real_pictures.read_picture(tmp_path / f"a{suffix}"), picture())


def test_grey_palette_and_transparent_pictures_become_colour(tmp_path):
    grey = Image.fromarray(picture()).convert("L")
    for mode in ("L", "P", "RGBA", "LA"):
        grey.convert(mode).save(tmp_path / f"{mode}.png")
        read = real_pictures.read_picture(tmp_path / f"{mode}.png")
        assert np.array_equal(read, np.stack([np.asarray(grey)] * 3, axis=2)), mode


def test_a_picture_that_a_camera_marked_as_turned_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(real_pictures.read_picture(tmp_path / "a.png"), np.rot90(picture(), -1))


def test_reducing_averages(tmp_path):
    """A board of single black and white pixels becomes grey; picking every second pixel would leave it black."""
    board = np.zeros((64, 96, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    Image.fromarray(board).save(tmp_path / "a.png")
    small = real_pictures.read_picture(tmp_path / "a.png", size=(16, 24))
    assert small.shape == (16, 24, 3)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 2
    assert real_pictures.read_picture(tmp_path / "a.png", longest=48).shape == (32, 48, 3)
    assert real_pictures.read_picture(tmp_path / "a.png", longest=96).shape == board.shape
    assert real_pictures.read_picture(tmp_path / "a.png", longest=1000).shape == board.shape


def failure(path):
    with pytest.raises(Problem) as caught:
        real_pictures.read_picture(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path):
    assert "it is missing" in failure(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "can't be read as a picture" in failure(tmp_path / "text.png")
    Image.fromarray(picture(60, 80)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-2000])
    assert "can't be read as a picture" in failure(tmp_path / "cut.png")
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(tmp_path / "deep.png")
    assert "more than 8 bits" in failure(tmp_path / "deep.png")


def test_hidden_files_and_others_are_passed_over_and_an_empty_folder_is_named(tmp_path):
    for name in (".DS_Store", "._a.png", "Thumbs.db", "notes.txt"):
        (tmp_path / name).write_text("not a picture")
    with pytest.raises(Problem, match="has no pictures in it"):
        real_pictures.pictures_in(tmp_path)
    with pytest.raises(Problem, match="can't be read"):
        real_pictures.pictures_in(tmp_path / "none")


def test_at_smoke_an_even_sample_is_read(tmp_path):
    paths = [tmp_path / f"{i:03d}.png" for i in range(100)]
    assert real_pictures.spread(paths, Scale("lecture")) == paths
    few = real_pictures.spread(paths, Scale("smoke"))
    assert (len(few), few[0], few[-1]) == (real_pictures.SMOKE, paths[0], paths[-1])
    assert real_pictures.spread(paths[:5], Scale("smoke")) == paths[:5]


def test_the_folder_may_lie_in_the_data_folder_or_be_it(tmp_path):
    (tmp_path / "Set" / "train").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "Set"):
        scale = Scale("lecture", folder)
        found = real_pictures.found_folder(scale, ("Set", ""), ("train",), "Set", "take it")
        assert found.resolve() == tmp_path / "Set"
    with pytest.raises(Problem, match=r"no Set: .*Set lacks val, test; take it and lay it there.*--data DIR"):
        real_pictures.found_folder(Scale("lecture", tmp_path), ("Set", ""), ("train", "val", "test"), "Set", "take it")
