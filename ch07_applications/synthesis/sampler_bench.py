"""Every sampler is judged alike: as many samples as there are real images, by the four measures of sample_judge.py."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.synthesis.density_samplers import samplers
from ch07_applications.synthesis.fashion_parts import FASHION, FashionParts
from ch07_applications.synthesis.sample_judge import SampleJudge, belongs, frechet_distance, nearest
from common.data import Images
from common.method import Method
from common.run import Run

FRECHET, PRECISION, RECALL, APART = "Fréchet distance", "precision", "recall", "distance to training images"
Grey = UInt8[np.ndarray, "n height width"]


@dataclass(frozen=True, eq=False)
class Bench:
    """What samples are compared with. real: images that no sampler has learned from. training: all that they have."""

    judge: SampleJudge
    real: Images
    training: UInt8[np.ndarray, "_ height width"]

    @cached_property
    def features(self) -> Float[np.ndarray, "n features"]:
        """Of the real images."""
        return self.judge.features(self.real.images)

    @cached_property
    def unseen(self) -> float:
        """How far the real images are from their nearest training images, in grey levels."""
        return float(nearest(self.real.images, self.training)[1].mean())

    def distance(self, samples: Grey) -> float:
        """The Fréchet distance of samples. Raises ValueError where there are not as many as real images."""
        if len(samples) != len(self.real):
            raise ValueError(f"{len(samples)} samples for {len(self.real)} real images: distances depend on how many")
        return frechet_distance(self.features, self.judge.features(samples))

    def apart(self, samples: Grey) -> float:
        """How far samples are from their nearest training images, in % of how far unseen real images are."""
        return 100 * float(nearest(samples, self.training)[1].mean()) / self.unseen

    def score(self, method: Method, samples: Grey) -> None:
        """Put all measures of samples on the scoreboard; the distance is kept as a fact, too, for claims over seeds.

        Recall is a value per real image. The nearest training image counts as good in neither direction.
        """
        distance, n = self.distance(samples), len(samples)
        method.measure(FRECHET, distance, n=n)
        method.run.fact(f"{FRECHET}, {method.name}", distance)
        made = self.judge.features(samples)
        near = 100 * float(belongs(made, self.features).mean())
        method.measure(PRECISION, near, n=n, unit="%", higher_is_better=True)
        method.score_items(RECALL, 100.0 * belongs(self.features, made), self.real, unit="%", higher_is_better=True)
        method.measure(APART, self.apart(samples), n=n, unit="%", higher_is_better=None)


def learn_to_judge(run: Run, parts: FashionParts) -> SampleJudge:
    """The recogniser, trained on real images, with its accuracy on test images."""
    with run.method("recogniser", kind="reference") as method:
        build = partial(SampleJudge, run.pick(smoke=1, lecture=6), run.seed, run.say_step, run.device)
        method.fit_shared(f"judge of {FASHION}", build, parts.train)
        method.score(parts.test)
    return method.model


def measure_floor(run: Run, bench: Bench) -> None:
    """How far real images are from as many other real ones: the measure's bias at two numbers of images."""
    features = bench.judge.features(bench.training[: len(bench.real)])
    for n in (len(bench.real), len(bench.real) // 4):
        run.fact(f"{FRECHET} of {n} real images from {n} others", frechet_distance(bench.features[:n], features[:n]))


def score_rivals(run: Run, parts: FashionParts, bench: Bench, rng: np.random.Generator) -> dict[str, Grey]:
    """Fit and score the samplers without a network. Gives their samples by name."""
    drawn = {}
    for name, sampler in samplers(run.seed, small=run.scale.preset == "smoke").items():
        with run.method(name, kind="classical") as method:
            fitted = method.fit_shared(f"{name} of {FASHION}", partial(copy.copy, sampler), parts.train)
            drawn[name] = fitted.sample(len(parts.test), rng)
            bench.score(method, drawn[name])
    return drawn
