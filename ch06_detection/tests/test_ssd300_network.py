"""Our SSD300 with torchvision's weights has torchvision's outputs, and gives the same detections."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD

from ch06_detection.default_boxes import SSD300_COCO_SIZES, SSD300_GRIDS, SSD300_RATIOS, SSD300_STEPS, default_boxes
from ch06_detection.ssd300 import BOXES, MAPS, SSD300, detect
from common import data

CLASSES = 7
DEFAULTS = {"steps": SSD300_STEPS, "clip": True}


@pytest.fixture(scope="module")
def defaults():
    return default_boxes((300, 300), SSD300_GRIDS, SSD300_COCO_SIZES, SSD300_RATIOS, **DEFAULTS)


def counted(network):
    return sum(weights.numel() for weights in network.parameters())


@pytest.mark.parametrize("classes", [21, 91])
def test_shapes_and_parameters_are_those_of_the_paper_and_of_torchvision(classes):
    with torch.device("meta"):
        ours, theirs = SSD300(classes), ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes)
        images = torch.zeros(2, 3, 300, 300)
        offsets, logits = ours(images)
        maps = ours.maps(images)
    assert counted(ours) == counted(theirs) == {21: 26_285_486, 91: 35_641_826}[classes]
    assert offsets.shape == (2, 8732, 4)
    assert logits.shape == (2, 8732, classes)
    grids, channels = [tuple(found.shape[2:]) for found in maps], [found.shape[1] for found in maps]
    assert tuple(grids) == SSD300_GRIDS
    assert channels == list(MAPS.values())
    assert tuple(2 + 2 * len(ratios) for ratios in SSD300_RATIOS) == BOXES


def test_the_same_weights_give_the_same_answers_and_detections(defaults, monkeypatch):
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda layer: None)  # VGG's classifier, which is thrown away,
    monkeypatch.setattr(nn.init, "normal_", lambda weights, *_: weights)  # costs more than all the rest
    torch.manual_seed(0)
    ours, theirs = SSD300(CLASSES).eval(), ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    with torch.no_grad():
        for mine, weights in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(weights)
        photo = torch.tensor(data.photo("cat")).permute(2, 0, 1) / 255
        image = theirs.transform([photo])[0].tensors
        offsets, logits = ours(image)
        expected = theirs.head(list(theirs.backbone(image).values()))
        found = theirs([photo])[0]
    assert_close(offsets, expected["bbox_regression"], rtol=1e-4, atol=1e-4)
    assert_close(logits, expected["cls_logits"], rtol=1e-4, atol=1e-4)
    assert logits.std() > 0.1
    answer = detect(offsets[0], logits[0], defaults, (300, 300))
    assert len(answer["boxes"]) == len(found["boxes"]) == 200
    assert_close(answer["labels"], found["labels"])
    assert_close(answer["scores"], found["scores"], rtol=0, atol=1e-4)
    height, width = photo.shape[1:]
    stretched = answer["boxes"] * torch.tensor([width, height, width, height]) / 300
    assert_close(stretched, found["boxes"], rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    "settings",
    [{}, {"least": 0.2, "overlap": 0.3, "most": 9}, {"least": 0.3, "candidates": 50, "most": 999}, {"least": 0.9}],
)
def test_detections_are_torchvision_s(defaults, settings):
    generator = torch.Generator().manual_seed(1)
    offsets, logits = (torch.randn((900, k), generator=generator) for k in (4, CLASSES))
    logits[:, 0] += 2
    some = defaults[torch.randperm(len(defaults), generator=generator)[:900]]
    chosen = {"least": 0.01, "candidates": 400, "overlap": 0.45, "most": 200} | settings
    told = SimpleNamespace(
        box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)),
        score_thresh=chosen["least"],
        topk_candidates=chosen["candidates"],
        nms_thresh=chosen["overlap"],
        detections_per_img=chosen["most"],
    )
    outputs = {"bbox_regression": offsets[None], "cls_logits": logits[None]}
    (expected,) = SSD.postprocess_detections(told, outputs, [some], [(300, 280)])
    answer = detect(offsets, logits, some, (300, 280), **settings)
    assert answer.keys() == expected.keys()
    assert_close(answer["labels"], expected["labels"])
    assert_close(answer["scores"], expected["scores"], rtol=1e-5, atol=1e-6)
    assert_close(answer["boxes"], expected["boxes"], rtol=1e-5, atol=1e-3)
    assert (len(answer["boxes"]) == 0) == (settings == {"least": 0.9})


def test_the_finest_map_has_length_20_everywhere():
    """Its features are divided by their length, so that the head's input does not depend on brightness."""
    network = SSD300(2).eval()
    network.to_conv4_3, network.to_fc7 = torch.nn.Conv2d(3, 512, 3), torch.nn.Conv2d(512, 1024, 3)
    images = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        finest = network.maps(images)[0]
    assert_close(finest.norm(dim=1), torch.full((1, 38, 38), 20.0))
