"""The rivals of every network: bicubic interpolation, and A+ fitted to the same photographs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ch07_applications.super_resolution.a_plus import APlus, Examples
from ch07_applications.super_resolution.bicubic import FACTORS, enlarge
from ch07_applications.super_resolution.luma_chroma import Grey
from ch07_applications.super_resolution.picture_pairs import Pairs, score, training_photographs
from common.run import Method, Run

BICUBIC, A_PLUS = "bicubic", "A+"
Enlarged = dict[Pairs, list[Grey]]  # by part: the luma of each picture


def fit_a_plus(run: Run, method: Method, factors: Sequence[int] = FACTORS) -> dict[int, APlus]:
    """Fit A+ for each factor once per run and seed, with the seconds of all of them."""
    small = run.pick(smoke={"anchors": 16, "neighbours": 64}, lecture={})
    images = [each.image for each in training_photographs(run)]
    models, seconds = {}, 0.0
    for factor in factors:
        examples = Examples.of(images, factor, run.pick(smoke=(0.5,), lecture=(1.0, 0.8, 0.6)))
        build = partial(APlus, factor, random_state=run.seed, **small)
        models[factor] = method.fit_shared(f"A+ ×{factor} of the photographs", build, examples)
        seconds += method.fit_seconds
        method.fit_seconds = None
    method.fit_seconds = seconds
    return models


def enlarge_by_rivals(run: Run, parts: Sequence[Pairs]) -> dict[str, Enlarged]:
    """Enlarge and score the luma of every part by both rivals."""
    found: dict[str, Enlarged] = {BICUBIC: {}, A_PLUS: {}}
    with run.method(BICUBIC, kind="classical") as method:
        for pairs in parts:
            found[BICUBIC][pairs] = [enlarge(low, pairs.factor) for low in pairs.lumas]
            score(method, pairs, found[BICUBIC][pairs])
    with run.method(A_PLUS, kind="classical") as method:
        models = fit_a_plus(run, method, sorted({pairs.factor for pairs in parts}))
        for pairs in parts:
            found[A_PLUS][pairs] = models[pairs.factor].predict(pairs.lumas)
            score(method, pairs, found[A_PLUS][pairs])
    return found
