"""Speed of A+ beside scikit-learn's Ridge, asked patch by patch, which gives the same; and of a picture of 512×512."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import perf_counter

import numpy as np
from side_by_side import row
from sklearn.linear_model import Ridge

from ch07_applications.super_resolution.a_plus import APlus, Examples, cut, gradients
from ch07_applications.super_resolution.bicubic import enlarge, reduce
from common import data
from common.metrics.super_resolution import luma

MARK = 1.0  # seconds
SIDE = 512


def ridges_of(model: APlus) -> list[Ridge]:
    """The model's linear maps as estimators."""
    made = []
    for coefficients in model.maps_:
        ridge = Ridge(fit_intercept=False)
        ridge.coef_, ridge.intercept_ = coefficients.T, 0.0
        made.append(ridge)
    return made


def one_by_one(model: APlus, ridges: list[Ridge], x: np.ndarray) -> np.ndarray:
    """For each patch, its anchor, and that anchor's ridge regression."""
    found = [ridges[int(np.abs(model.anchors_ @ each).argmax())].predict(each[None])[0] for each in x]
    return np.stack(found)


def measure() -> list[dict]:
    """Rows for run.py: the missing pixels of the patches of 96 × 96 pixels, and whole pictures beside the mark."""
    photograph, rows = data.photo("coffee")[:384, :600], []
    small = luma(reduce(data.photo("chelsea")[:192, :192], 2))
    for factor in (2, 4):
        examples = Examples.of([photograph], factor, (1.0,))
        model = APlus(factor, anchors=512, neighbours=1024).fit(examples.inputs, examples.answers)
        if factor == 2:
            middle = enlarge(small, factor).astype(np.float32)
            x, ridges = cut(gradients(middle, factor), factor) @ model.axes_, ridges_of(model)
            assert np.allclose(model.missing(x), one_by_one(model, ridges, x), atol=0.01)
            name = f"A+: {len(x):,} patches"
            slow = partial(one_by_one, model, ridges, x)
            rows.append(row(name, partial(model.missing, x), "a Ridge.predict for each patch", slow, 20, runs=3))

        low, taken = luma(data.photo("astronaut")[: SIDE // factor, : SIDE // factor]), []
        for _ in range(3):
            start = perf_counter()
            model.enlarge(low)
            taken.append(perf_counter() - start)
        mark = {"ours_seconds": median(taken), "peer_seconds": MARK, "ratio": MARK / median(taken)}
        rows.append({"name": f"A+: ×{factor} to {SIDE}×{SIDE}", "peer": f"the mark, {MARK:g} s", **mark})
        rows[-1] |= {"at_least": 1, "runs": len(taken)}
    return rows
