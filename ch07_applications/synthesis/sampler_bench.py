"""One protocol for all samplers: as many samples as real images, by the four measures of sample_judge.py."""

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
    """The data for comparing samples. real: images unseen by samplers. training: all images they learn from."""

    judge: SampleJudge
    real: Images
    training: UInt8[np.ndarray, "_ height width"]

    @cached_property
    def features(self) -> Float[np.ndarray, "n features"]:
        """The features of the real images."""
        return self.judge.features(self.real.images)

    @cached_property
    def unseen(self) -> float:
        """The distance of the real images from their nearest training images, in grey levels."""
        return float(nearest(self.real.images, self.training)[1].mean())

    def distance(self, samples: Grey) -> float:
        """The Fréchet distance of samples. Raises ValueError unless there are as many as real images."""
        if len(samples) != len(self.real):
            raise ValueError(f"{len(samples)} samples for {len(self.real)} real images: distances depend on how many")
        return frechet_distance(self.features, self.judge.features(samples))

    def apart(self, samples: Grey) -> float:
        """The distance of samples from their nearest training images, in % of that of unseen real images."""
        return 100 * float(nearest(samples, self.training)[1].mean()) / self.unseen

    def score(self, method: Method, samples: Grey) -> None:
        """Score all measures of samples; the distance is also stored as a fact, for claims over seeds.

        Recall is a value per real image. The distance to the nearest training image is good in neither direction.
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
    """Train the recogniser on real images, and score it on test images."""
    with run.method("recogniser", kind="reference") as method:
        build = partial(SampleJudge, run.pick(smoke=1, lecture=6), run.seed, run.say_step, run.device)
        method.fit_shared(f"judge of {FASHION}", build, parts.train)
        method.score(parts.test)
    return method.model


def measure_floor(run: Run, bench: Bench) -> None:
    """Measure the distance of real images from an equal number of other real ones: the bias at two sample sizes."""
    features = bench.judge.features(bench.training[: len(bench.real)])
    for n in (len(bench.real), len(bench.real) // 4):
        run.fact(f"{FRECHET} of {n} real images from {n} others", frechet_distance(bench.features[:n], features[:n]))


def score_rivals(run: Run, parts: FashionParts, bench: Bench, rng: np.random.Generator) -> dict[str, Grey]:
    """Fit and score the samplers without a network. Returns their samples by name."""
    drawn = {}
    for name, sampler in samplers(run.seed, small=run.scale.preset == "smoke").items():
        with run.method(name, kind="classical") as method:
            fitted = method.fit_shared(f"{name} of {FASHION}", partial(copy.copy, sampler), parts.train)
            drawn[name] = fitted.sample(len(parts.test), rng)
            bench.score(method, drawn[name])
    return drawn
