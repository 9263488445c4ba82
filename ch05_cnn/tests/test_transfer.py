"""Transfer: every method learns its training data, and none uses the test images in training."""

import numpy as np
import pytest
import torch
from torchvision import models

from ch05_cnn import transfer
from ch05_cnn.models import mobilenet
from common import data
from common.console import Console
from common.data import Images, Scale
from common.record import LessonRecord
from common.results import Row
from common.run import Run


@pytest.fixture
def run(tmp_path):
    return Run("transfer", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(), device_name="cpu")


def test_curves_are_drawn_from_the_scoreboard():
    settings = {"lesson": "transfer", "metric": "accuracy", "kind": "deep", "low": 0.0, "high": 100.0, "n": 9}
    rows = [
        Row(method=label, value=value + 2 * seed, fit_seconds=0.5 * value, seeds=(seed,), **settings)
        for label, value in (("all tuned, 50 images", 20.0), ("all tuned", 70.0))
        for seed in (0, 1)
    ]
    labels = {"all tuned": {n: transfer.label_of("all tuned", n, [50, 500]) for n in (50, 500)}}
    left, right = transfer.draw_curves(LessonRecord("", "", rows=rows), labels, {"all tuned": "black"}).axes
    assert [list(line) for line in left.lines[0].get_data()] == [[50, 500], [21, 71]]
    assert [list(line) for line in right.lines[0].get_data()] == [[10, 35], [21, 71]]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.mobilenet_v2()


@pytest.fixture(scope="module")
def part():
    """Bright and dark images: two classes that any features can tell apart."""
    images = data.cifar10(Scale("smoke")).train.images[:40] // 4
    labels = np.arange(40, dtype=np.int64) % 2
    return Images((images + 190 * labels[:, None, None, None]).astype(np.uint8), labels)


def test_frozen_features_and_a_line_tell_bright_from_dark(run, network, part):
    both = mobilenet.compute_activations(network.features[: mobilenet.CUT], part, run.device)
    _, predict = transfer.fit_frozen(run, network, part.take(slice(0, 30)), both[:30])
    predicted = predict(part.images[30:], both=both[30:])
    assert np.mean(predicted == part.labels[30:]) >= 0.9


def test_a_class_without_an_image_does_not_shift_the_others(run, network, part):
    both = mobilenet.compute_activations(network.features[: mobilenet.CUT], part, run.device)
    _, predict = transfer.fit_frozen(run, network, Images(part.images[:30], 3 + 4 * part.labels[:30]), both[:30])
    assert set(predict(part.images[30:], both=both[30:])) == {3, 7}


@pytest.mark.parametrize("way", [transfer.tune_last_blocks, transfer.tune_all])
def test_tuning_changes_a_copy_and_predicts_a_class_an_image(run, network, part, way):
    both = mobilenet.compute_activations(network.features[: mobilenet.CUT], part, run.device)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    model, predict = way(run, network, part.take(slice(0, 16)), both[:16])
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, before[name])
    own = {name.removeprefix("blocks."): weight for name, weight in model.named_parameters() if "blocks" in name}
    assert all((own[name] != before[f"features.{name}"]).any() for name in own), "every weight of the copy has moved"
    assert predict(part.images[16:20], both=both[16:20]).shape == (4,)


def test_fewer_images_are_seen_more_often():
    assert transfer.epochs_of(5000) == transfer.EPOCHS
    assert transfer.epochs_of(50) > transfer.epochs_of(500) > transfer.epochs_of(5000)
    assert transfer.epochs_of(50_000) >= 1


def test_all_weights_are_tuned_for_as_many_epochs_as_the_last_blocks(network, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(transfer, "fine_tune", lambda network, data, run, epochs: seen.append(epochs) or network)
    run = Run("transfer", 0, Scale("lecture"), LessonRecord("", ""), tmp_path, Console(), device_name="cpu")
    part, both = data.cifar10(Scale("smoke")).train.take(slice(0, 50)), torch.zeros(50, 2, 96, 6, 6)
    for tune in (transfer.tune_last_blocks, transfer.tune_all):
        tune(run, network, part, both)
    assert seen == [transfer.epochs_of(50)] * 2
