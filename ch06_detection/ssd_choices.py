"""What each of SSD's choices contributes: an ablation of the lesson's own detector behind its first stage.

Question   The paper removes one component after the other from a detector that was trained for days. Which of its
           findings hold for ours, and how reliable are they?
Method     Liu et al. 2016 (SSD), §3.2, Tables 2 and 3: augmentation, the shapes of default boxes, the number of feature
           maps; and, from §2.2, hard negatives at 3 : 1. One change at a time to the recipe of lesson `ssd`, scored on
           validation scenes, once each and at one scale. In addition, two choices that are not the paper's: the path
           from coarser maps to finer ones, and a trunk that is first trained to classify.
Differs    The paper trains each variant from the start. Here all variants share the first stage of the lesson's trained
           detector, the slowest part by far. It is frozen, and its maps of the scenes are computed once; each variant
           trains all layers after it anew, from the pretrained trunk and random heads. So the first stage was trained
           with the base's choices, which may favour the base, and no effect on the first stage itself is measured.
           It trains for one epoch over two stored versions of 1500 scenes, in batches of 16; the recipe has five epochs
           over all training scenes, in batches of 32. Augmentation is the recipe's (crops, mirror images, other light),
           but the versions are drawn once, where the recipe draws a new one at every pass.
           Fewer maps: the finest are dropped, and their shapes of default boxes move to the finest that is left; the
           paper drops the coarsest first, and keeps the number of boxes.
Costs      60 s on two cores if the lesson's detector is trained; two minutes more if it has to be trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from jaxtyping import BFloat16, Float, Int
from torch import Tensor, nn

from ch06_detection.augmentation.box_crops import change_light
from ch06_detection.boxes import Boxes
from ch06_detection.multibox import match_batch
from ch06_detection.scoring.judging import METRIC, learn
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.ssd import MILD, SceneSSD, SSDDetector, build_scenes_ssd, hidden_and_heads
from ch06_detection.trunk.pretraining import PretrainedTrunk, copy_weights
from common.ablation import BASE, draw_effects
from common.data.boxed import BoxedImages, Target
from common.data.scenes import scenes
from common.image_classifier import Pixels, outputs
from common.metrics.detection import Evaluation
from common.record import LessonRecord
from common.run import Method, Run
from common.seeding import build_seeded

RECIPE = SceneSSD(epochs=1, batch=16, scales=(1.0,), mirrored=False)
VERSIONS = 2  # of each scene, augmented
CHANGES = {
    "two maps": {"maps": 2},
    "one map": {"maps": 1},
    "no path from coarser maps": {"top_down": False},
    "squares alone": {"ratios": ()},
    "ratios 2 and 3": {"ratios": (2.0, 3.0)},
    "not augmented": {"augmented": False},
    "every background box": {"negatives": 1e9},
    "hard negatives 1 : 1": {"negatives": 1.0},
}
NOT_PRETRAINED = "later stages not pretrained"
LESSON = "the lesson's SSD"
CHUNK = 100  # scenes whose maps are computed together


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """The first stage's maps of scenes, computed once, and their objects, as batches for the layers after it.

    defaults: the default boxes matched to the objects.
    """

    maps: BFloat16[Tensor, "n channels rows columns"]
    targets: Sequence[Target]
    defaults: Boxes

    def __len__(self) -> int:
        return len(self.targets)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch channels rows columns"], Int[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
        labels, offsets = match_batch([self.targets[item] for item in index.tolist()], self.defaults)
        return self.maps[index].float().contiguous(memory_format=torch.channels_last), labels, offsets


@dataclass(frozen=True, eq=False)
class Study:
    """Variants of the lesson's trained detector that share its first stage.

    first_stage: a copy of the trained one, frozen; its map has an 8th of the image's side. pixels: its standardisation
    of inputs. trunk: the initial weights of the stages after it. learned: each variant's training scenes. judged:
    validation scenes; a variant that is better here may become the recipe, and test scenes must stay unseen.
    """

    run: Run
    first_stage: nn.Module
    pixels: Pixels
    trunk: PretrainedTrunk
    learned: BoxedImages
    judged: BoxedImages

    def compute_maps(self, versions: int, augmented: bool) -> tuple[BFloat16[Tensor, "n _ _ _"], list[Target]]:
        """The first stage's maps of `versions` versions of every training scene, and the objects in each version."""
        part, generator = self.learned, torch.Generator().manual_seed(self.run.seed)
        maps, found = [], []
        for start in list(range(0, len(part), CHUNK)) * versions:
            images = self.pixels(part.images[start : start + CHUNK])
            targets = list(part.targets[start : start + CHUNK])
            if augmented:
                images, targets = MILD(images, targets, generator)
                images = change_light(images, generator)
            maps.append(outputs(self.first_stage, images).bfloat16())
            found += targets
        return torch.cat(maps), found

    def train(self, settings: SceneSSD, pretrained: bool, maps: Tensor, targets: Sequence[Target]) -> SSDDetector:
        """Train the detector of these settings: the frozen first stage, and layers after it, on its maps.

        pretrained: start them from the trunk that was trained to classify objects, or from random weights.
        """
        detector = settings.build(self.run, self.run.seed)
        network = build_seeded(lambda: settings.network(len(self.judged.classes)), self.run.seed)
        if pretrained:
            copy_weights(self.trunk.stages, network.stages)
        network.stages[0][0] = self.first_stage
        detector.pixels_, detector.network_ = self.pixels, network.to(detector.training.device)
        defaults = detector.defaults(self.learned.images.shape[1:3])
        behind = hidden_and_heads(network)  # all parameters but the first stage's, which are frozen
        network.stages[0][0] = nn.Identity()
        training = replace(detector.training, groups=lambda _: behind)
        detector.history_ = training(network, StoredMaps(maps, targets, defaults), self.run.seed)
        network.stages[0][0] = self.first_stage
        network.eval()
        return detector

    def score(self, method: Method) -> None:
        """Score the mAP of the method's detector."""
        part = self.judged
        evaluation = Evaluation(method.model.predict(part.images), part.targets, len(part.classes), groups=part.groups)
        method.score_items(METRIC, 100 * evaluation.by_image(), part, unit="%", higher_is_better=True)


def effects(record: LessonRecord) -> str:
    """The number of changes with a significant effect in the paired tests, and the largest of these."""
    significant = [comparison for comparison in record.comparisons if comparison.winner]
    largest = max(significant, key=lambda comparison: abs(comparison.difference), default=None)
    count = f"{len(significant)} of {len(record.comparisons)} changes show an effect"
    return f"{count}; the largest: {largest.a} ({largest.difference:+.1f} points)." if largest else f"{count}."


def lesson(run: Run) -> None:
    train = training_scenes(run.scale)
    judged = scenes(run.scale).validation.take(slice(run.pick(smoke=8, lecture=200)))
    with run.method(LESSON, kind="deep") as method:
        taught = learn(method, "SSD, scenes", lambda: build_scenes_ssd(run), train)
        frozen = deepcopy(taught.network_.stages[0][0]).requires_grad_(False)
        learned = train.take(slice(run.pick(smoke=16, lecture=1500)))
        trunk = taught.trunk(train.images, train.targets)  # the trunk it started from: it is not trained again
        study = Study(run, frozen, taught.pixels_, trunk, learned, judged)
        study.score(method)
    augmented, plain = (study.compute_maps(VERSIONS, augmented) for augmented in (True, False))
    changes = dict(list(CHANGES.items())[: run.pick(smoke=1, lecture=len(CHANGES))])
    for name in (BASE, *changes, NOT_PRETRAINED):
        settings = replace(RECIPE, **changes.get(name, {}))
        maps = augmented if settings.augmented else plain
        with run.method(name, kind="deep") as method:
            method.model = method.time(study.train, settings, name != NOT_PRETRAINED, *maps)
            study.score(method)
    for name in (*changes, NOT_PRETRAINED):
        run.compare(name, BASE, METRIC)
    run.floor(BASE, METRIC, at_least=65)
    run.figure_over_seeds(
        "effects", draw_effects, METRIC,
        caption=f"What each change does to {METRIC}, relative to the base, on {len(judged)} validation scenes, with "
        "95 % intervals; coloured where the paired test finds a difference.",
    )  # fmt: skip
    run.claim(effects)
