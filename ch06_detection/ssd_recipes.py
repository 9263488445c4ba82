"""How this chapter's single-shot detectors are built and trained: settings that were chosen on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch06_detection.box_crops import BoxCrops
from ch06_detection.default_boxes import sizes_of_a_cell
from ch06_detection.frames import FrameWindows, HalfSize
from ch06_detection.naming import Trunk, scenes_trunk
from ch06_detection.ssd_detector import SSDDetector, detection_loss
from ch06_detection.ssd_network import SSD, hidden_and_heads, mobile_trunk, small_trunk
from common.data import weights
from common.data.scenes import scenes
from common.muon import Muon
from common.run import Run
from common.train import Training

SCENE_SIZES, SCENE_RATIOS = (28.0, 44.0, 70.0, 100.0), (2.0,)
MILD = BoxCrops(demands=(2.0, 2.0, 0.9), smallest=0.6, zoom_chance=0.0, colours=None)
ADAMW = partial(torch.optim.AdamW, weight_decay=1e-3)
WIDE = 0.37  # of its height: a pedestrian
HEIGHTS = ((28.0, 36.0, 46.0), (46.0, 58.0))  # of pedestrians' default boxes, in pixels, on either map


@dataclass(frozen=True)
class SceneSSD:
    """What a scenes' detector is made with; each is a factor of the ablation. maps: of the trunk's three, the last."""

    epochs: int = 5
    width: int = 16
    maps: int = 3
    ratios: tuple[float, ...] = SCENE_RATIOS
    top_down: bool = True
    augmented: bool = True
    negatives: float = 3.0
    crowded: int = 3
    mirrored: bool = True
    muon: bool = True
    scales: tuple[float, ...] = (0.875, 1.0, 1.25)

    def network(self, classes: int) -> SSD:
        stages = small_trunk(self.width)
        skipped = len(stages) - self.maps
        stages[: skipped + 1] = [nn.Sequential(*stages[: skipped + 1])]
        return SSD(stages, [len(shape) for shape in self.shapes()], classes, self.top_down)

    def shapes(self) -> list[Float[Tensor, "boxes 2"]]:
        """Of a cell's default boxes, map by map. What fewer maps leave out, the finest that is left takes on."""
        cells = [sizes_of_a_cell(*ends, self.ratios) for ends in pairwise(SCENE_SIZES)]
        skipped = len(cells) - self.maps
        return [torch.cat(cells[: skipped + 1]), *cells[skipped + 1 :]]

    def build(self, run: Run, seed: int, trunk: Trunk | None = None, checkpoint: str | None = None) -> SSDDetector:
        """The detector, not yet fitted. trunk: what it starts from."""
        # After 1264 steps Muon came to 80.8 % on validation scenes, AdamW to 79.1; after a hundred both are alike.
        rate, optimiser, groups = (0.01, Muon, hidden_and_heads) if self.muon else (4e-3, ADAMW, None)
        training = Training(
            self.epochs, rate, 16, optimiser, groups, partial(detection_loss, negatives=self.negatives),
            warm_up=0.15, device=run.device, checkpoint=run.checkpoint(checkpoint) if checkpoint else None,
            say=run.say_step,
        )  # fmt: skip
        return SSDDetector(
            self.network, training, self.shapes(), len(scenes(run.scale).classes), trunk,
            augment=MILD if self.augmented else None, light=self.augmented, mirrored=self.mirrored, scales=self.scales,
            crowded=self.crowded, seed=seed,
        )  # fmt: skip


def scenes_ssd(run: Run) -> SSDDetector:
    """The detector of the scenes, as good as some minutes make it."""
    epochs = run.pick(smoke=1, lecture=5, full=20)
    return SceneSSD(epochs=epochs).build(run, run.seed, scenes_trunk(run), "ssd")


def pedestrians_ssd(run: Run, pretrained: bool) -> HalfSize:
    """The detector of pedestrians, of frames at half size. pretrained: MobileNetV2's first blocks, or a small trunk."""

    def network(classes: int) -> SSD:
        trunk = mobile_trunk(weights.mobilenet_v2(run.scale)) if pretrained else small_trunk()[:2]
        return SSD(trunk, [len(heights) for heights in HEIGHTS], classes, top_down=True)

    shapes = [torch.tensor([(WIDE * height, height) for height in heights]) for heights in HEIGHTS]
    name = "ssd_pretrained" if pretrained else "ssd"
    epochs = run.pick(smoke=1, lecture=4 if pretrained else 6)
    training = Training(
        epochs, 3e-3, 16, ADAMW, loss=detection_loss, warm_up=0.2, device=run.device, checkpoint=run.checkpoint(name),
        say=run.say_step,
    )  # fmt: skip
    return HalfSize(SSDDetector(network, training, shapes, 1, augment=FrameWindows(), seed=run.seed))
