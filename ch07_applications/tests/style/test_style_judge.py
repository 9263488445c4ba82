"""The judge: distances of another network's activations, and three styles with their stated properties."""

import numpy as np
import pytest
import torch
from torchvision.models.feature_extraction import create_feature_extractor

from ch07_applications.style.pixels import inputs_of
from ch07_applications.style.style_judge import CONTENT, STYLE, Judge
from ch07_applications.style.styles import middle_square, reduced, stained_glass, styles
from ch07_applications.tests.style.small_networks import small_judge


def picture(seed=0, size=(48, 48)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def judge():
    return Judge.of(small_judge())


def test_a_picture_is_at_no_distance_from_itself_and_at_one_from_another(judge):
    assert judge.style_distance(picture(0), picture(0)) == 0
    assert judge.content_distance(picture(0), picture(0)) == pytest.approx(0, abs=1e-5)
    assert judge.style_distance(picture(0), picture(0) // 3) > 0.05
    assert judge.content_distance(picture(0), picture(1)) > 1e-3


def test_distances_are_those_of_the_named_layers():
    network = small_judge()
    nodes = {str(place): str(place) for place in {*STYLE, *CONTENT}}
    extract = create_feature_extractor(network.features, nodes)
    ours, theirs = ({int(k): v[0].flatten(1) for k, v in extract(inputs_of(picture(seed))).items()} for seed in (0, 1))
    content = [1 - float((ours[k] * theirs[k]).sum() / ours[k].norm() / theirs[k].norm()) for k in CONTENT]
    assert Judge(network).content_distance(picture(0), picture(1)) == pytest.approx(np.mean(content), rel=1e-4)
    grams = [{k: v @ v.T / v.shape[1] for k, v in each.items()} for each in (ours, theirs)]
    style = [float((grams[0][k] - grams[1][k]).norm() / grams[1][k].norm()) for k in STYLE]
    assert Judge(network).style_distance(picture(0), picture(1)) == pytest.approx(np.mean(style), rel=1e-4)


def test_a_style_may_have_another_size(judge):
    wide = np.concatenate([picture(0, (64, 64))] * 2, axis=1)
    assert (
        judge.style_distance(wide, picture(0, (64, 64))) < 0.2 < judge.style_distance(wide // 2, picture(0, (64, 64)))
    )
    assert Judge.of(None) is None


def test_layers_of_the_judge_are_rectified():
    """Activations before a rectifier have signs, and their products say little."""
    found = Judge(small_judge()).activations(picture())
    assert set(found) == {*STYLE, *CONTENT}
    assert all(float(maps.min()) >= 0 for maps in found.values())


def test_three_styles_of_the_size_asked_for():
    found = styles(64)
    assert list(found) == ["painting", "moss", "stained glass"]
    assert {each.shape for each in found.values()} == {(64, 64, 3)}


def test_stained_glass_has_panes_of_its_colours_and_dark_leads_and_depends_on_its_seed():
    glass = stained_glass(128)
    dark = (glass.astype(int).sum(axis=2) < 70).mean()
    assert 0.05 < dark < 0.35
    assert (stained_glass(128) == glass).all()
    assert (stained_glass(128, seed=1) != glass).any()


def test_squares_and_reductions():
    ramp = np.arange(40, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    assert middle_square(ramp, 20)[0, :, 0].tolist() == list(range(10, 30))
    assert middle_square(ramp, 10).shape == (10, 10, 3)
    assert reduced(ramp, 0.5).shape == (10, 20, 3)
    assert reduced(ramp, 1) is ramp
    assert reduced(ramp, 0.001).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="20 × 40 pixels has no square of 21 × 21"):
        middle_square(ramp, 21)
    assert torch.is_tensor(inputs_of(ramp))
