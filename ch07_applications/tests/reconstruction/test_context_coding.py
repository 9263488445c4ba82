"""Lossless coders: the running sums are those of a loop, contexts are of earlier pixels, PNG can be read again."""

import io
from collections import defaultdict

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from ch07_applications.reconstruction import context_coding
from ch07_applications.reconstruction.context_coding import (
    TEMPLATE,
    bits_per_pixel,
    context_nats,
    contexts,
    nats_of,
    png_bits,
)


def images(n=6, size=(7, 9), seed=0):
    return (np.random.default_rng(seed).random((n, *size)) < 0.3).astype(np.uint8)


def loop(stream, size):
    """Krichevsky and Trofimov's estimate, pixel by pixel."""
    counts, found = defaultdict(lambda: [0, 0]), []
    for image in stream:
        nats = 0.0
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                key = []
                for down, right in TEMPLATE[:size]:
                    y, x = row + down, column + right
                    key.append(int(image[y, x]) if y >= 0 and 0 <= x < image.shape[1] else 0)
                seen, on = counts[tuple(key)], image[row, column]
                nats -= np.log((seen[on] + 0.5) / (sum(seen) + 1))
                seen[on] += 1
        found.append(nats)
    return np.array(found)


@pytest.mark.parametrize("size", [0, 1, 4, 10, 20])
def test_running_sums_are_those_of_a_loop(size):
    assert_allclose(context_nats(images(), size), loop(images(), size), rtol=1e-9)


def test_templates_are_of_earlier_pixels():
    assert len(set(TEMPLATE)) == len(TEMPLATE)
    assert all(place < (0, 0) for place in TEMPLATE)


def test_an_image_s_length_does_not_depend_on_later_ones():
    stream = images()
    assert_allclose(context_nats(stream, 6)[:4], context_nats(stream[:4], 6))


def test_contexts_beyond_the_border_are_0_and_rows_do_not_wrap():
    stream = np.ones((1, 3, 3), np.uint8)
    found = contexts(stream, 2)  # left, above
    assert_array_equal(found[0], [[0, 2, 2], [1, 3, 3], [1, 3, 3]])
    assert contexts(stream, 0).max() == 0


def test_coins_need_a_bit_each_and_alike_pixels_nearly_none():
    coins = np.random.default_rng(0).integers(0, 2, (50, 20, 20)).astype(np.uint8)
    assert context_nats(coins, 0).sum() == pytest.approx(nats_of(coins.size), rel=1e-3)
    assert context_nats(np.ones_like(coins), 0).sum() < 6


def test_what_cannot_be_coded_is_refused():
    with pytest.raises(ValueError, match="context"):
        contexts(images(), 21)
    with pytest.raises(ValueError, match="binarise"):
        context_nats(images() * 3, 2)


def test_png_holds_the_images_in_a_bit_per_pixel(monkeypatch):
    kept, real = [], io.BytesIO

    def file():
        kept.append(real())
        return kept[-1]

    monkeypatch.setattr(context_coding.io, "BytesIO", file)
    bits = png_bits(images(5))
    assert bits == 8 * len(kept[0].getvalue()) / 5
    picture = Image.open(real(kept[0].getvalue()))
    assert (picture.format, picture.mode) == ("PNG", "1")
    assert_array_equal(np.asarray(picture).astype(np.uint8).reshape(5, 7, 9), images(5))


def test_bits_and_nats():
    assert nats_of(784) == pytest.approx(543.4, abs=0.05)
    assert bits_per_pixel(nats_of(784), 784) == pytest.approx(1)
    assert bits_per_pixel(79.20, 784) == pytest.approx(0.1457, abs=1e-4)
