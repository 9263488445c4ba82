"""Photographs of any size: small predictions enlarged, tiles, and the reader's own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ch07_applications.colour.colorful import SmallNetwork
from ch07_applications.colour.lab_pictures import doubled, lab_of
from ch07_applications.colour.network_colouriser import network_inputs
from ch07_applications.colour.photographs import (
    LONGEST,
    MULTIPLE,
    TILE,
    photograph_part,
    predict_chroma,
    recolour_own,
    recoloured,
    resized,
    tiled,
    working_size,
)
from ch07_applications.tests.colour.small_runs import run_of
from common.errors import Problem
from common.photo import read_photo


def warm(lightness):
    """Chroma that grows with lightness."""
    return np.stack([0.1 * lightness, 0.3 * lightness], axis=-1)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_tiles_and_the_whole_are_the_same():
    torch.manual_seed(0)
    network = SmallNetwork(2, 8).eval()

    def predict(lightness):
        with torch.inference_mode():
            return doubled(25 * network(network_inputs(lightness)))

    lightness = np.random.default_rng(0).uniform(0, 100, (1, TILE + 40, 2 * TILE + 8)).astype(np.float32)
    whole, tiles = predict(lightness), tiled(predict)(lightness)
    assert np.abs(whole).max() > 1
    inner = np.abs(whole - tiles)[:, 1:-1, 1:-1]
    assert inner.max() < 1e-3


def test_the_working_size_has_the_shorter_side_and_multiples():
    assert working_size((480, 640), 64) == (64, 88)
    assert working_size((3000, 100), 64) == (1920, 64)
    assert working_size((40, 40), 64) == (64, 64)
    assert all(length % MULTIPLE == 0 for length in working_size((123, 457)))
    with pytest.raises(ValueError, match="0 × 5 pixels"):
        working_size((0, 5))


def test_lightness_keeps_its_details_and_colours_are_those_of_the_small_picture():
    picture = noise(96, 128)
    found = lab_of(recoloured(picture, warm)[None])
    wanted = lab_of(picture[None])[0]
    inside = (wanted > 10) & (wanted < 85)  # where these colours lie within the gamut
    assert np.abs(found[0] - wanted)[inside].max() < 1.5
    chroma = predict_chroma(wanted[0], warm)
    assert chroma.shape == (96, 128, 2)
    assert chroma[..., 1] == pytest.approx(3 * chroma[..., 0], rel=1e-4)


def test_resizing_averages():
    ramp = np.arange(64.0)[:, None].repeat(8, axis=1)
    small = resized(ramp, (16, 2))
    assert small.shape == (16, 2)
    assert small[1:-1, 0] == pytest.approx(ramp.reshape(16, 4, 8).mean(axis=(1, 2))[1:-1], abs=1e-3)
    assert resized(np.full((5, 6, 3), 9.0), (10, 3)) == pytest.approx(np.full((10, 3, 3), 9.0))


def test_the_carried_photographs_are_grouped_by_photographer():
    part = photograph_part()
    assert len(part) == len(part.inputs) == len(part.groups) == 7
    assert len(set(part.groups)) < 7
    assert {max(each.shape[:2]) for each in part.inputs} == {256}
    assert part.pictures[0].author in part.credits(2)
    assert len(photograph_part(2)) == 2


@pytest.mark.parametrize(
    "picture",
    [
        noise(40, 52),
        noise(40, 52)[..., 0],  # grey
        np.concatenate([noise(40, 52), noise(40, 52)[..., :1]], axis=2),  # with alpha
        (257 * noise(40, 52)[..., 0].astype(np.uint16)),  # 16 bits
        np.full((33, 32, 3), 90, np.uint8),  # of one colour
    ],
    ids=["colour", "grey", "alpha", "16 bits", "one colour"],
)
def test_photographs_of_all_kinds_are_coloured(tmp_path, picture):
    path = tmp_path / "own.png"
    Image.fromarray(picture).save(path)
    run = run_of("colour/colorful", tmp_path, photo=read_photo(path))
    recolour_own(run, {"warm": warm})
    assert f"{picture.shape[1]} × {picture.shape[0]} pixels, coloured by warm" in run.record.notes[0]
    assert (tmp_path / "colour_colorful_photo.png").exists()


def test_a_photograph_that_is_too_small_is_refused_and_a_large_one_reduced(tmp_path):
    with pytest.raises(Problem, match="--photo has 80×31 pixels, colours are predicted from 32×32 on"):
        recolour_own(run_of("colour/colorful", tmp_path, photo=noise(31, 80)), {})
    run = run_of("colour/colorful", Path(tmp_path), photo=noise(60, LONGEST + 400))
    recolour_own(run, {"warm": warm})
    assert f"{LONGEST} × 50 pixels" in run.record.notes[0]
