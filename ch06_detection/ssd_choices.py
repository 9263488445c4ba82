"""What each of SSD's choices buys, at our scale.

Question   The paper's ablation took away one thing after the other from a detector that had learned for days. What is
           left of its findings in seconds of training, and how sure are they?
Method     Liu et al. 2016 (SSD), §3.1, Tables 2 and 3: augmentation, the shapes of default boxes, the number of feature
           maps; and, of §2.2, hard negatives at 3 : 1. One change at a time.
Differs    300 scenes and six epochs of AdamW for each variant, from a trunk that has learned to name objects; fewer
           maps keep all shapes of default boxes, on the finest map that is left, where the paper keeps the number of
           boxes. Besides, a choice that is not the paper's: the trunk's first lessons.
Costs      160 s on two cores.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ch06_detection.naming import NamedObjects, Trunk
from ch06_detection.scoring import METRIC
from ch06_detection.ssd_recipes import SceneSSD
from common.ablation import BASE, draw_differences
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.metrics.detection import Evaluation
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import Training

if TYPE_CHECKING:
    from common.paired import Comparison

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
UNTAUGHT = "no first lessons"


@dataclass(frozen=True, eq=False)
class Study:
    """Variants of one detector, learned from the same scenes and from the same trunk, and judged on the same ones."""

    run: Run
    train: BoxedImages
    test: BoxedImages
    trunk: Trunk

    def measure(self, name: str, settings: SceneSSD, taught: bool = True) -> None:
        """Train a variant and score it. taught: whether its trunk has learned to name objects before."""
        with self.run.method(name, kind="deep") as method:
            detector = settings.build(self.run, self.run.seed, self.trunk if taught else None)
            method.fit(detector, self.train)
            evaluation = Evaluation(detector.predict(self.test.images), self.test.targets, len(self.test.classes))
            scores = 100 * evaluation.by_image()
            method.score_items(METRIC, scores, self.test, unit="%", higher_is_better=True)

    def compare(self, name: str) -> Comparison:
        """The paired test of a variant against the base, which the run will pronounce; as it stands at this seed."""
        self.run.compare(name, BASE, METRIC)
        pair = copy.copy(self.run.pairs[name, BASE, METRIC])
        pair.seeds = pair.seeds[-1:]
        return pair.compare()


def taught_trunk(run: Run, train: BoxedImages, epochs: int) -> Trunk:
    """A trunk that has learned to name the objects of these scenes, for detectors that learn from fewer."""
    training = Training(epochs, 0.01, 64, Muon, hidden_filters, warm_up=0.15, device=run.device, say=run.say_step)
    taught = NamedObjects(training, len(train.classes), SMALL.width, run.seed)(train.images, train.targets)
    return lambda images, targets: taught


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    base = replace(SMALL, epochs=run.pick(smoke=1, lecture=6))
    train = sets.train.take(slice(run.pick(smoke=16, lecture=300)))
    test = sets.test.take(slice(run.pick(smoke=8, lecture=200)))
    taught = sets.train.take(slice(run.pick(smoke=16, lecture=1000)))
    study = Study(run, train, test, taught_trunk(run, taught, run.pick(smoke=1, lecture=4)))
    study.measure(BASE, base)
    changes = dict(list(CHANGES.items())[: run.pick(smoke=1, lecture=len(CHANGES))])
    for name, change in changes.items():
        study.measure(name, replace(base, **change))
    study.measure(UNTAUGHT, base, taught=False)
    effects = [study.compare(name) for name in (*changes, UNTAUGHT)]
    run.floor(BASE, METRIC, at_least=18)
    sure = [effect for effect in effects if effect.winner]
    run.note(
        f"{len(sure)} of {len(effects)} changes show an effect under this seed"
        + (f"; the largest: {max(sure, key=lambda effect: abs(effect.difference)).a}." if sure else ".")
    )
    run.figure(
        "effects", draw_differences, effects,
        caption=f"What each change does to the mean average precision at 0.5, from the base's, on {len(test)} scenes.",
    )  # fmt: skip
