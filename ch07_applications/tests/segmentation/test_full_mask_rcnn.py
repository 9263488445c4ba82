"""The published size: the count, and torchvision's outputs with torchvision's weights."""

import torch
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn

from ch07_applications.segmentation.full_mask_rcnn import FullMaskRCNN, full_mask_rcnn, trained_parameters


def test_the_published_number_of_parameters():
    network = full_mask_rcnn()
    assert trained_parameters(network) == 44_401_393
    assert sum(p.numel() for p in network.parameters()) == 44_454_513


def test_the_outputs_are_torchvision_s_with_its_weights():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
        own = FullMaskRCNN().eval()
    assert [p.shape for p in own.parameters()] == [p.shape for p in reference.parameters()]
    values = reference.state_dict().values()
    own.load_state_dict(dict(zip(own.state_dict(), values, strict=True)))
    images, boxes = torch.rand(1, 3, 96, 128), torch.tensor([[10.0, 8, 50, 70], [3, 30, 120, 90], [60, 5, 75, 19]])
    with torch.inference_mode():
        scores, logits, offsets, masks = own(images, boxes)
        maps = reference.backbone(images)
        objectness, _ = reference.rpn.head(list(maps.values()))
        heads = reference.roi_heads
        features = heads.box_head(heads.box_roi_pool(maps, [boxes], [(96, 128)]))
        theirs = (*heads.box_predictor(features),)
        in_boxes = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(maps, [boxes], [(96, 128)])))
    flat = torch.cat([x.permute(0, 2, 3, 1).flatten(1) for x in objectness], dim=1)
    for mine, other in ((scores, flat), (logits, theirs[0]), (offsets, theirs[1]), (masks, in_boxes)):
        assert torch.allclose(mine, other, rtol=1e-3, atol=1e-5 * float(other.abs().max() + 1))
    assert isinstance(own.maps.stem[1], nn.BatchNorm2d)
