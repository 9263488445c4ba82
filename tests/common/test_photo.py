"""A reader's own picture: every kind of file gives the same RGB pixels, and what is none is one clear line."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import Problem
from common.photo import SMALLEST, read_mask, read_own_photo, read_photo

RGB = np.zeros((4, 6, 3), np.uint8)
RGB[:2] = 200, 40, 90
RGB[:, 4:] = 10, 120, 250


def saved(path, picture, **options):
    picture.save(path, **options)
    return read_photo(path)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_colours_are_kept_by_every_format(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    got = saved(tmp_path / f"p.{suffix}", Image.fromarray(RGB), **options)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_way_up_that_exif_says(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(RGB, 1),
    }[orientation]
    np.testing.assert_array_equal(saved(tmp_path / "p.png", Image.fromarray(RGB), exif=exif), turned)


def test_grey(tmp_path):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    np.testing.assert_array_equal(saved(tmp_path / "p.png", Image.fromarray(grey)), grey[:, :, None].repeat(3, axis=2))


def test_black_and_white(tmp_path):
    got = saved(tmp_path / "p.png", Image.fromarray(np.eye(5, dtype=bool)))
    np.testing.assert_array_equal(got, 255 * np.eye(5, dtype=np.uint8)[:, :, None].repeat(3, axis=2))


def test_grey_of_16_bits(tmp_path):
    deep = np.array([[0, 257, 257 * 200, 65535]], np.uint16)
    got = saved(tmp_path / "p.png", Image.fromarray(deep))
    np.testing.assert_array_equal(got[0, :, 0], [0, 1, 200, 255])


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colours_of_16_bits(tmp_path, kind):
    deep = 257 * RGB.astype(np.uint16)
    cv2 = pytest.importorskip("cv2")  # writes 16 bits a colour, which Pillow can't
    path = tmp_path / f"p.{kind}"
    assert cv2.imwrite(str(path), deep[..., ::-1])
    np.testing.assert_array_equal(read_photo(path), RGB)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 4000), (300, 200)])
def test_a_tiny_picture_and_one_of_one_colour_are_pictures(tmp_path, shape):
    plain = np.full((*shape, 3), (9, 80, 200), np.uint8)
    np.testing.assert_array_equal(saved(tmp_path / "p.png", Image.fromarray(plain)), plain)


def test_dark_grey_of_16_bits_stays_dark(tmp_path):
    got = saved(tmp_path / "p.tiff", Image.fromarray(np.array([[0, 200]], np.uint16)))
    np.testing.assert_array_equal(got[0, :, 0], [0, 1])


def test_floats_from_0_to_1(tmp_path):
    got = saved(tmp_path / "p.tiff", Image.fromarray(np.array([[0, 0.2, 1, np.nan]], np.float32)))
    np.testing.assert_array_equal(got[0, :, 0], [0, 51, 255, 0])


def test_what_is_transparent_lies_over_white(tmp_path):
    alpha = np.full((4, 6, 1), 255, np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 51  # a fifth
    got = saved(tmp_path / "p.png", Image.fromarray(np.concatenate([RGB, alpha], axis=2)))
    np.testing.assert_array_equal(got[0, 0], [255, 255, 255])
    np.testing.assert_allclose(got[0, 1], 0.2 * RGB[0, 1] + 0.8 * 255, atol=1)
    np.testing.assert_array_equal(got[1:], RGB[1:])


def test_grey_with_alpha(tmp_path):
    got = saved(tmp_path / "p.png", Image.fromarray(np.array([[[0, 255], [0, 0]]], np.uint8)))
    np.testing.assert_array_equal(got, [[[0, 0, 0], [255, 255, 255]]])


def test_a_palette_with_and_without_a_transparent_colour(tmp_path):
    palette = Image.fromarray(RGB).quantize(4)
    np.testing.assert_array_equal(saved(tmp_path / "p.png", palette), RGB)
    gone = palette.getpixel((0, 0))
    got = saved(tmp_path / "q.png", palette, transparency=gone)
    np.testing.assert_array_equal(got[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(got[:, 4:], RGB[:, 4:])


def test_cmyk(tmp_path):
    got = saved(tmp_path / "p.jpg", Image.fromarray(np.full((16, 16, 3), (255, 0, 0), np.uint8)).convert("CMYK"))
    assert (abs(got.astype(int) - (255, 0, 0)) < 12).all()


def test_a_picture_that_moves_is_its_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (30, 220)]
    got = saved(tmp_path / "p.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (got == 30).all()


def problem(path):
    with pytest.raises(Problem) as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)
    assert f"--photo {path}" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b"<svg/>"])
def test_what_is_no_picture(tmp_path, content):
    path = tmp_path / "p.png"
    path.write_bytes(content)
    assert "is not an image file" in problem(path) or "can't be read" in problem(path)


def test_a_text_that_is_called_a_jpeg(tmp_path):
    path = tmp_path / "p.jpg"
    path.write_text("Dear all,\n" * 200)
    assert problem(path) == f"--photo {path} is not an image file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read here")
def test_what_may_not_be_read(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(RGB).save(path)
    path.chmod(0)
    assert "can't be read: Permission denied" in problem(path)


@pytest.mark.parametrize("name", ["p" * 300 + ".png", "\0.png", ""])
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(Problem) as caught:
        read_photo(Path(name))
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    assert "can't be read: No such file" in problem(tmp_path / "p.png")
    assert "can't be read" in problem(tmp_path)


def test_damage_is_one_line_wherever_it_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for kind in ("png", "jpeg", "gif", "tiff", "webp", "bmp"):
        whole = io.BytesIO()
        Image.fromarray(noise).save(whole, kind, **({"exif": exif} if kind in ("png", "jpeg", "webp") else {}))
        content = whole.getvalue()
        path = tmp_path / f"p.{kind}"
        for cut in np.linspace(1, len(content) - 20, 12, dtype=int):
            path.write_bytes(content[:cut])
            seen(path)
        for at in range(0, min(len(content), 400), 7):
            path.write_bytes(content[:at] + b"\xff\x00" + content[at + 2 :])
            seen(path)


def seen(path):
    """Either a picture or one line."""
    try:
        said = f"{read_photo(path).shape}"
    except Problem as error:
        said = str(error)
    assert "\n" not in said


def large_png(width, height):
    """A PNG's header and nothing more: the pixels are not there to be read."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"")


@pytest.mark.parametrize(("width", "height"), [(10000, 5001), (50_000_001, 1), (30000, 30000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_more_than_50_megapixels_is_refused_by_its_header(tmp_path, width, height):
    path = tmp_path / "p.png"
    path.write_bytes(large_png(width, height))
    assert "more than 50 megapixels" in problem(path)


def test_a_picture_of_50_megapixels_is_read(tmp_path):
    path = tmp_path / "p.png"
    Image.new("1", (10000, 5000)).save(path)
    assert read_photo(path).shape == (5000, 10000, 3)


# What is to be filled in


def painted(path, mask):
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(path)
    return path


def test_a_mask_is_true_where_the_picture_is_white_also_after_jpeg(tmp_path):
    wanted = np.zeros((32, 48), bool)
    wanted[8:24, 16:32] = True
    for suffix in ("png", "jpg"):
        np.testing.assert_array_equal(read_mask(painted(tmp_path / f"m.{suffix}", wanted), (32, 48)), wanted)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((4, 6), bool), "no pixel is white"),
        (np.ones((4, 6), bool), "nothing is left"),
        (np.eye(6, dtype=bool), "6×6 pixels, and --photo 6×4"),
    ],
)
def test_a_mask_of_nothing_of_everything_or_of_another_size_is_refused(tmp_path, mask, words):
    with pytest.raises(Problem, match=words):
        read_mask(painted(tmp_path / "m.png", mask), (4, 6))


def test_a_mask_that_is_no_picture_is_named_as_the_mask(tmp_path):
    (tmp_path / "m.png").write_text("no picture")
    with pytest.raises(Problem, match=r"--mask .*m\.png is not an image file"):
        read_mask(tmp_path / "m.png", (4, 6))


# Too small for a lesson


def test_a_photo_that_is_too_small_is_refused_before_a_lesson_begins(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(np.zeros((SMALLEST, SMALLEST + 9, 3), np.uint8)).save(path)
    assert read_own_photo(path).shape == (SMALLEST, SMALLEST + 9, 3)
    for height, width in ((SMALLEST - 1, 90), (90, SMALLEST - 1), (1, 1)):
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
        with pytest.raises(Problem, match=f"--photo .*p.png has {width}×{height} pixels, lessons need at least 32×32"):
            read_own_photo(path)
