"""SSD, the single-shot detector: trained here, and followed through one picture.

Question   Which boxes does a network predict from all places of three maps at once, and which of them are kept?
Method     Liu et al. 2016 (SSD), §2: on each of several maps a convolution predicts classes and offsets of default
           boxes; matching and the multibox loss with hard negatives at 3 : 1 (multibox.py); boxes are decoded, and
           suppressed at an IoU of 0.45 (non-maximum suppression).
Rival      HOG + SVM, R-CNN and Fast R-CNN: lesson `comparison` has them all on the same scenes.
Differs    0.9 million weights for 128 × 128 pixels. The paper starts from a VGG-16 trained on ImageNet; here a residual
           trunk was trained to classify the objects in the training boxes (trunk/pretraining.py). A finer map receives
           the features of the next coarser one (Lin et al. 2017, §3); Muon (common/muon.py) for SGD; crops take at
           least 0.6 of a scene. The 100 highest-scoring boxes of an image are kept, not 200. In a second row it
           predicts for a test scene at three scales, each also mirrored (single_shot/several_looks.py).
Costs      75 s on two cores, nearly all of it training, and 20 s more if the trunk is not trained yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ch06_detection.augmentation.box_crops import BoxCrops, change_light
from ch06_detection.boxes import Boxes, clip, decode
from ch06_detection.default_boxes import boxes_of_shapes, flatten_head, sizes_of_a_cell
from ch06_detection.drawings.boxes import SURE
from ch06_detection.drawings.ssd import draw_scenes, draw_steps
from ch06_detection.geometry.detections import select_detections
from ch06_detection.multibox import NEGATIVES, match_batch, multibox_sums
from ch06_detection.scoring.judging import METRIC, STRICT, examine, learn
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.single_shot.several_looks import look_six_times, mirror_places, predict_looks, resize
from ch06_detection.trunk.building import measure_pixels
from ch06_detection.trunk.crops import Pictures
from ch06_detection.trunk.layers import small_trunk, stage_channels
from ch06_detection.trunk.pretraining import PretrainedDetector, Trunk, copy_weights, shared_trunk
from common import plots
from common.data.boxed import BoxedImages, Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.metrics.detection import Evaluation
from common.muon import Muon, hidden_filters
from common.run import Method, Run
from common.seeding import build_seeded
from common.train import History, Training

SCENE_SIZES, SCENE_RATIOS = (28.0, 44.0, 70.0, 100.0), (2.0,)
SIX_LOOKS = "SSD, six looks"
MILD = BoxCrops(demands=(2.0, 2.0, 0.9), smallest=0.6, zoom_chance=0.0, colours=None)
ADAMW = partial(torch.optim.AdamW, weight_decay=1e-3)


class SSD(nn.Module):
    """Stages with one map each, and a head on each map: 3×3 filters for the 4 + c numbers of each default box. §2.1.

    classes: without background. boxes: default boxes per cell of each map.
    top_down: a 1×1 convolution of the next coarser map is added to each finer one (Lin et al. 2017, §3).
    """

    def __init__(self, stages: Sequence[nn.Module], boxes: Sequence[int], classes: int, top_down: bool = False) -> None:
        super().__init__()
        self.stages, self.classes = nn.ModuleList(stages), classes
        channels = [stage_channels(stage) for stage in stages]
        pairs = zip(channels[1:], channels, strict=False) if top_down else ()
        self.down = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairs)
        self.heads = nn.ModuleList(
            nn.Conv2d(c, (classes + 1 + 4) * k, 3, padding=1) for c, k in zip(channels, boxes, strict=True)
        )

    def maps(self, images: Float[Tensor, "batch channels height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The map of each stage."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        for k, convolution_1x1 in reversed(list(enumerate(self.down))):
            message = functional.interpolate(convolution_1x1(maps[k + 1]), size=maps[k].shape[2:])
            maps[k] = functional.relu(maps[k] + message)
        return maps

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """Offsets, and the scores of background and the classes before the softmax, of all default boxes."""
        maps = zip(self.heads, self.maps(images), strict=True)
        outputs = torch.cat([flatten_head(head(x), 4 + self.classes + 1) for head, x in maps], dim=1)
        return outputs[..., :4], outputs[..., 4:]

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Rows and columns of each map for an image (height, width)."""
        first = next(self.parameters())
        with torch.inference_mode():
            was, _ = self.training, self.eval()
            maps = self.maps(torch.zeros(1, 3, *size, device=first.device))
            self.train(was)
        return [(x.shape[2], x.shape[3]) for x in maps]


def hidden_and_heads(network: SSD) -> list[dict[str, Any]]:
    """Two parameter groups for common.muon: filters of hidden layers, and all others, which include the heads."""
    return hidden_filters(network, last=network.heads)


@dataclass
class BoxedBatches:
    """Training images and their objects as batches: augmented, and matched with default boxes. §2.2."""

    images: Pictures
    targets: Sequence[Target]
    pixels: Pixels
    defaults: Boxes
    augment: Callable | None = None
    light: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
        items = index.numpy()
        images, targets = self.pixels(self.images[items]), [self.targets[item] for item in items]
        if self.augment:
            images, targets = self.augment(images, targets, generator)
        if self.light:
            images = change_light(images, generator)
        labels, offsets = match_batch(targets, self.defaults)
        return images.contiguous(memory_format=torch.channels_last), labels, offsets


def detection_loss(
    outputs: tuple[Tensor, Tensor],
    labels: Int[Tensor, "batch n"],
    offsets: Float[Tensor, "batch n 4"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """The multibox loss of a network's outputs for common.train: the sum of Eq. (1), and N."""
    location, confidence, n = multibox_sums(*outputs, offsets, labels, negatives)
    return confidence + location, n


@dataclass
class SSDDetector(PretrainedDetector):
    """A network that is built in fit, when its data are known; with fit and predict.

    build: makes the network, given the number of classes. training: its settings. shapes: width and height of a cell's
    default boxes, for each map. trunk: the initial weights. augment, light: see BoxedBatches. scales, mirrored: of the
    predictions for a test image. least, suppression, keep: see select_detections.
    """

    build: Callable[[int], SSD]
    training: Training
    shapes: Sequence[Float[Tensor, "boxes 2"]]
    classes: int
    trunk: Trunk | None = None
    augment: Callable | None = field(default_factory=BoxCrops)
    light: bool = True
    mirrored: bool = False
    scales: tuple[float, ...] = (1.0,)
    least: float = 0.01
    suppression: float = 0.45
    keep: int = 100
    seed: int = 0

    def fit(self, images: Given, targets: Sequence[Target]) -> SSDDetector:
        """Train on images of one size and their objects. Raises what `to_learn_from` raises."""
        targets = to_learn_from(images, targets)
        self.pixels_ = measure_pixels(images)
        self.network_ = build_seeded(lambda: self.build(self.classes).to(self.training.device), self.seed)
        if self.trunk:
            copy_weights(self.trunk(images, targets).stages, self.network_.stages)
        size = getattr(self.augment, "size", images.shape[1:3])
        data = BoxedBatches(images, targets, self.pixels_, self.defaults(size), self.augment, self.light)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def defaults(self, size: tuple[int, int]) -> Boxes:
        """The default boxes of an image (height, width)."""
        return boxes_of_shapes(size, self.network_.grids(size), self.shapes)

    def predict(self, images: Given) -> list[Target]:
        """The detections of each image, the highest score first, from the predictions at all scales together."""
        if not len(colour_pictures(images)):
            return []
        looks = zip(*(self.predict_boxes(images, scale) for scale in self.scales), strict=True)
        return [self.select(*(torch.cat(part) for part in zip(*look, strict=True))) for look in looks]

    def predict_boxes(
        self, images: Pictures, scale: float = 1.0
    ) -> Iterator[tuple[Float[Tensor, "n 4"], Float[Tensor, "n classes"]]]:
        """Each image's boxes, decoded, in its own pixels; and their probabilities, background first.

        scale: of the network's input.
        """
        inputs = resize(self.pixels_(images), scale)
        size, whole = tuple(inputs.shape[2:]), images.shape[1:3]
        defaults, by = self.defaults(size), torch.tensor([whole[1] / size[1], whole[0] / size[0]]).repeat(2)
        places = mirror_places(self.network_.grids(size), list(map(len, self.shapes))) if self.mirrored else None
        for offsets, logits in predict_looks(self.network_, inputs, places):
            yield from zip(clip(by * decode(offsets, defaults), *whole), logits.softmax(dim=2), strict=True)

    def select(self, boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n classes"]) -> Target:
        """An image's boxes with a score above `least`, after suppression within each class; at most `keep`."""
        return select_detections(boxes, scores[:, 1:], least=self.least, suppression=self.suppression, keep=self.keep)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return self.network_.parameters()


@dataclass(frozen=True)
class SceneSSD:
    """Settings of the scene detector; each is a factor of the ablation. maps: the number of last trunk maps in use."""

    epochs: int = 5
    batch: int = 32
    width: int = 16
    maps: int = 3
    ratios: tuple[float, ...] = SCENE_RATIOS
    top_down: bool = True
    augmented: bool = True
    negatives: float = NEGATIVES
    mirrored: bool = False
    muon: bool = True
    scales: tuple[float, ...] = (1.0,)

    def network(self, classes: int) -> SSD:
        stages = small_trunk(self.width)
        skipped = len(stages) - self.maps
        stages[: skipped + 1] = [nn.Sequential(*stages[: skipped + 1])]
        return SSD(stages, [len(shape) for shape in self.shapes()], classes, self.top_down)

    def shapes(self) -> list[Float[Tensor, "boxes 2"]]:
        """A cell's default boxes, map by map. If maps are dropped, the finest remaining map gets their boxes."""
        cells = [sizes_of_a_cell(*ends, self.ratios) for ends in pairwise(SCENE_SIZES)]
        skipped = len(cells) - self.maps
        return [torch.cat(cells[: skipped + 1]), *cells[skipped + 1 :]]

    def build(self, run: Run, seed: int, trunk: Trunk | None = None, checkpoint: str | None = None) -> SSDDetector:
        """The unfitted detector. trunk: its initial weights."""
        # Muon was chosen on validation scenes, where a whole training with it ended above one with AdamW.
        rate, optimiser, groups = (2.5e-3, Muon, hidden_and_heads) if self.muon else (1e-3, ADAMW, None)
        rate *= self.batch**0.5  # a batch of twice as many scenes has gradients of half the variance
        training = Training(
            self.epochs, rate, self.batch, optimiser, groups, partial(detection_loss, negatives=self.negatives),
            warm_up=0.15, device=run.device, checkpoint=run.checkpoint(checkpoint) if checkpoint else None,
            say=run.say_step,
        )  # fmt: skip
        return SSDDetector(
            self.network, training, self.shapes(), len(scenes(run.scale).classes), trunk,
            augment=MILD if self.augmented else None, light=self.augmented, mirrored=self.mirrored, scales=self.scales,
            seed=seed,
        )  # fmt: skip


def build_scenes_ssd(run: Run) -> SSDDetector:
    """The unfitted detector for scenes; its settings were chosen on validation scenes."""
    epochs = run.pick(smoke=1, lecture=5, full=20)
    return SceneSSD(epochs=epochs).build(run, run.seed, shared_trunk(run), "ssd")


def examine_six_looks(method: Method, train: BoxedImages, test: BoxedImages) -> Evaluation:
    """Score the scene detector with six views of every test scene; it is trained if no lesson has done so yet."""
    one = learn(method, "SSD, scenes", lambda: build_scenes_ssd(method.run), train)
    method.share(SIX_LOOKS, look_six_times(one))
    return examine(method, SIX_LOOKS, lambda: look_six_times(one), train, test)[1]


def lesson(run: Run) -> None:
    sets, train = scenes(run.scale), training_scenes(run.scale)
    with run.method("SSD", kind="deep") as method:
        detector, evaluation = examine(method, "SSD, scenes", lambda: build_scenes_ssd(run), train, sets.test)
        rate = len(sets.test) / method.predict_seconds
    with run.method(SIX_LOOKS, kind="deep") as method:
        examine_six_looks(method, train, sets.test)
    run.compare(SIX_LOOKS, "SSD", METRIC)
    run.floor("SSD", METRIC, at_least=68.0)
    run.floor(SIX_LOOKS, METRIC, at_least=74.3)
    run.fact("scenes per second", rate)
    run.fact("default boxes of a scene", len(detector.defaults(sets.test.images.shape[1:3])))
    named = 100 * detector.trunk.accuracy(sets.test.images, sets.test.targets)
    run.fact("test objects that the trunk alone classifies right, given their boxes", named, "%")
    run.note(
        f"Of {len(sets.test)} test scenes the detector processes {rate:.0f} per second. Its mean average precision is "
        f"{100 * evaluation.mean_average_precision(0.5):.1f} % at an IoU of 0.5, and "
        f"{100 * evaluation.mean_average_precision():.1f} % as COCO counts it ({STRICT})."
    )
    run.note(f"Given the true boxes, the trunk that it started from classifies {named:.0f} % of the objects right.")

    run.figure(
        "steps",
        draw_steps,
        sets.test,
        detector,
        caption="A test scene. Above: its objects, the default boxes that match them, the predicted boxes with a score "
        f"above {SURE:g}, and those that suppression keeps. Below: on each map, the highest probability of an object "
        "at every place; and how the offsets move the corners of the default boxes with such scores.",
    )
    run.figure(
        "found", draw_scenes, sets.test.images[:8], evaluation.detections[:8], sets.classes,
        caption=f"The first test scenes with every detection whose score is above {SURE:g}.",
    )  # fmt: skip
    history = detector.history_
    run.figure(
        "training", plots.draw_training, history.losses, history.epochs, "multibox loss",
        caption="The multibox loss in training.",
    )  # fmt: skip
