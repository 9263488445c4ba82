"""What each of SSD's choices buys, at our scale.

Question   The paper's ablation took away one thing after the other from a detector that had learned for days. What is
           left of its findings in seconds of training, and how reliable are they?
Method     Liu et al. 2016 (SSD), §3.1, Tables 2 and 3: augmentation, the shapes of default boxes, the number of feature
           maps; and, of §2.2, hard negatives at 3 : 1. One change at a time.
Differs    300 scenes and six epochs of AdamW for each variant, from a trunk that has learned to name objects, and one
           pass over a scene: a small detector, which validation scenes judge. Fewer maps keep all shapes of default
           boxes, on the finest map that is left, where the paper keeps the number of boxes. Besides, a choice that is
           not the paper's: a pretrained trunk.
Costs      160 s on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ch06_detection.scoring.judging import METRIC
from ch06_detection.ssd import SceneSSD
from ch06_detection.trunk.pretraining import Trunk, TrunkPretraining
from common.ablation import BASE, draw_effects
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.metrics.detection import Evaluation
from common.muon import Muon, hidden_filters
from common.record import LessonRecord
from common.run import Run
from common.train import Training

SMALL = SceneSSD(epochs=6, width=12, scales=(1.0,), mirrored=False, crowded=0, muon=False)
CHANGES = {
    "two maps": {"maps": 2},
    "one map": {"maps": 1},
    "squares alone": {"ratios": ()},
    "ratios 2 and 3": {"ratios": (2.0, 3.0)},
    "not augmented": {"augmented": False},
    "every background box": {"negatives": 1e9},
    "hard negatives 1 : 1": {"negatives": 1.0},
}
NOT_PRETRAINED = "trunk not pretrained"


@dataclass(frozen=True, eq=False)
class Study:
    """Variants of one detector, learned from the same scenes and from the same trunk, and judged on the same ones.

    judged: validation scenes: a variant that is better here may become the recipe, and test scenes are to stay unseen.
    """

    run: Run
    train: BoxedImages
    judged: BoxedImages
    trunk: Trunk

    def measure(self, name: str, settings: SceneSSD, pretrained: bool = True) -> None:
        """Train a variant and score it. pretrained: whether its trunk has learned to classify objects before."""
        with self.run.method(name, kind="deep") as method:
            detector = settings.build(self.run, self.run.seed, self.trunk if pretrained else None)
            method.fit(detector, self.train)
            part = self.judged
            evaluation = Evaluation(detector.predict(part.images), part.targets, len(part.classes), groups=part.groups)
            method.score_items(METRIC, 100 * evaluation.by_image(), part, unit="%", higher_is_better=True)


def pretrain_trunk(run: Run, train: BoxedImages, epochs: int) -> Trunk:
    """A trunk that has learned to name the objects of these scenes, for detectors that learn from fewer."""
    training = Training(epochs, 0.01, 64, Muon, hidden_filters, warm_up=0.15, device=run.device, say=run.say_step)
    trunk = TrunkPretraining(training, len(train.classes), SMALL.width, run.seed)(train.images, train.targets)
    return lambda images, targets: trunk


def effects(record: LessonRecord) -> str:
    """How many changes have an effect that the paired tests see, and the largest of these."""
    sure = [comparison for comparison in record.comparisons if comparison.winner]
    largest = max(sure, key=lambda comparison: abs(comparison.difference), default=None)
    count = f"{len(sure)} of {len(record.comparisons)} changes show an effect"
    return f"{count}; the largest: {largest.a} ({largest.difference:+.1f} points)." if largest else f"{count}."


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    base = replace(SMALL, epochs=run.pick(smoke=1, lecture=6))
    train = sets.train.take(slice(run.pick(smoke=16, lecture=300)))
    judged = sets.validation.take(slice(run.pick(smoke=8, lecture=200)))
    objects = sets.train.take(slice(run.pick(smoke=16, lecture=1000)))
    study = Study(run, train, judged, pretrain_trunk(run, objects, run.pick(smoke=1, lecture=4)))
    study.measure(BASE, base)
    changes = dict(list(CHANGES.items())[: run.pick(smoke=1, lecture=len(CHANGES))])
    for name, change in changes.items():
        study.measure(name, replace(base, **change))
    study.measure(NOT_PRETRAINED, base, pretrained=False)
    for name in (*changes, NOT_PRETRAINED):
        run.compare(name, BASE, METRIC)
    run.floor(BASE, METRIC, at_least=18)
    run.figure_over_seeds(
        "effects", draw_effects, METRIC,
        caption=f"What each change does to {METRIC}, relative to the base, on {len(judged)} validation scenes, with "
        "95 % intervals; coloured where the paired test finds a difference.",
    )  # fmt: skip
    run.claim(effects)
