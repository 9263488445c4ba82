"""Six ways to enlarge a picture four times, with what each costs: decibels, looks, seconds, and size.

Question   Which method should one choose? That depends on whether a picture is measured or looked at, on the time
           available, and on whether there are other pictures to learn from.
Method     Each lesson's own method, fitted once per run, enlarges the same test photographs; Set5, if available; and
           small squares of the photographs, on which an untrained network, Deep Image Prior, can take part, too.
           Seconds are those of one photograph, divided by its megapixels.
Rival      Bicubic interpolation and A+, which learned from the same photographs.
Differs    The papers were measured on pictures of 0.1 to 0.3 megapixels, on graphics cards.
Costs      3 minutes on two cores if the lessons before have not run, else 30 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import UInt8
from torch import nn

from ch07_applications.super_resolution.bicubic import enlarge
from ch07_applications.super_resolution.damaged_photographs import Damaged, Squares
from ch07_applications.super_resolution.deep_image_prior import OURS as PRIOR
from ch07_applications.super_resolution.deep_image_prior import RESOLUTION, TASKS, enlarge_by_prior, judged_part
from ch07_applications.super_resolution.deep_image_prior import SHARED as PRIORS
from ch07_applications.super_resolution.drawn_comparison import draw_costs, draw_squares
from ch07_applications.super_resolution.lapsrn import OURS as LAPSRN
from ch07_applications.super_resolution.lapsrn import SHARED, enlarged, train_lapsrn
from ch07_applications.super_resolution.looks import distances_of
from ch07_applications.super_resolution.luma_chroma import Grey, enlarge_picture
from ch07_applications.super_resolution.perceptual_judge import DISTANCE, Judge
from ch07_applications.super_resolution.picture_pairs import Pairs, judged_pairs, score
from ch07_applications.super_resolution.rivals import A_PLUS, BICUBIC, fit_a_plus
from ch07_applications.super_resolution.srgan import SRGAN, SRRESNET, shared, train_srgan, train_srresnet
from common.claims import beats
from common.data.squeezenet import squeezenet_or_none
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run

FACTOR, SHOWN = 4, 3  # test photographs in the picture
SQUARES, SECONDS = "PSNR ×4 of small squares", "seconds per megapixel"
NETWORKS = (LAPSRN, SRRESNET, SRGAN)
EnlargeLuma = Callable[[Grey], Grey]
Picture = UInt8[np.ndarray, "_ _ 3"]


def contenders(run: Run) -> dict[str, Callable[[Method], EnlargeLuma]]:
    """The contenders by name: functions that return a method's enlargement of luma, and store its model."""

    def network(name: str, make: Callable[[], nn.Module], method: Method) -> EnlargeLuma:
        method.model = method.make_shared(name, make)
        return lambda low: enlarged(method.model, low)[-1]

    def anchors(method: Method) -> EnlargeLuma:
        method.model = fit_a_plus(run, method, (FACTOR,))[FACTOR]
        return method.model.enlarge

    return {
        BICUBIC: lambda method: lambda low: enlarge(low, FACTOR),
        A_PLUS: anchors,
        LAPSRN: partial(network, SHARED, partial(train_lapsrn, run)),
        SRRESNET: partial(network, shared(SRRESNET), partial(train_srresnet, run)),
        SRGAN: partial(network, shared(SRGAN), lambda: train_srgan(run, run.methods[SRRESNET].model)),
    }


def score_photographs(method: Method, judge: Judge | None, parts: Sequence[Pairs], work: EnlargeLuma) -> None:
    """Score PSNR and SSIM on every part; the judge's distance and the seconds on the carried photographs."""
    for pairs in parts:
        start = time.perf_counter()
        lumas = [work(low) for low in pairs.lumas]
        seconds = time.perf_counter() - start
        score(method, pairs, lumas)
        if not pairs.where:
            megapixels = sum(truth.size for truth in pairs.truths) / 1e6
            method.measure(SECONDS, seconds / megapixels, n=len(pairs), unit="s")
            if judge is not None:
                method.score_items(pairs.metric(DISTANCE), distances_of(judge, pairs, lumas), pairs)


def score_squares(method: Method, part: Squares, items: Sequence[Damaged], answers: Sequence[Picture]) -> None:
    """Score the PSNR of luma on small squares."""
    values = np.array([item.score(answer) for item, answer in zip(items, answers, strict=True)])
    method.score_items(SQUARES, values, part, unit="dB", higher_is_better=True)


def state_claims(run: Run, claims: PaperClaims, parts: Sequence[Pairs], judge: Judge | None) -> None:
    """Test the papers' claims about each other's methods on the carried photographs."""
    rows = [
        ("Networks beat A+", "Lai 2017, Table 3", "31.54 against 30.28 dB on Set5", LAPSRN, A_PLUS, "PSNR ×4"),
        ("SRResNet beats LapSRN", "Ledig 2017; Lai 2017", "32.05 against 31.54 dB", SRRESNET, LAPSRN, "PSNR ×4"),
        ("A trained network beats an untrained one", "Ulyanov 2018, Table 1", "31.58 against 29.90 dB", LAPSRN, PRIOR,
         SQUARES),
        ("… which beats bicubic interpolation", "Ulyanov 2018, Table 1", "29.90 against 28.43 dB", PRIOR, BICUBIC,
         SQUARES),
    ]  # fmt: skip
    if judge is not None:
        rows.append(
            ("SRGAN looks best", "Ledig 2017, Table 2", "opinion 3.58, next 3.37", SRGAN, SRRESNET, f"{DISTANCE} ×4")
        )
    for pairs in parts:
        for name in (LAPSRN, SRRESNET):
            run.compare(name, A_PLUS, pairs.metric("PSNR"))
            run.claim(f"{name} beats {A_PLUS} in {pairs.metric('PSNR')}.", beats(name, A_PLUS, pairs.metric("PSNR")))
    for text, source, paper, ours, against, metric in rows:  # each comparison is made only once
        claims.compared(text, source=source, paper=paper, ours=ours, against=against, metric=metric)


def lesson(run: Run) -> None:
    claims, parts = PaperClaims(run), judged_pairs(run, FACTOR)
    judge, squares = Judge.of(squeezenet_or_none(run.scale, run.note)), judged_part(run)
    items, shown = squares.damage(TASKS[RESOLUTION], run.seed), {}
    for name, prepare in contenders(run).items():
        with run.method(name, kind="deep" if name in NETWORKS else "classical") as method:
            work = prepare(method)
            score_photographs(method, judge, parts, work)
            shown[name] = [enlarge_picture(item.observation.seen, work) for item in items]
            score_squares(method, squares, items, shown[name])
    with run.method(PRIOR, kind="deep") as method:
        shown[PRIOR] = method.make_shared(PRIORS, partial(enlarge_by_prior, run, items))
        score_squares(method, squares, items, shown[PRIOR])
        megapixels = sum(item.truth[..., 0].size for item in items) / 1e6
        method.measure(SECONDS, method.fit_seconds / megapixels, n=len(items), unit="s")
    state_claims(run, claims, parts, judge)
    run.floor(LAPSRN, "PSNR ×4", at_least=28.0)
    columns = {"given": [item.observation.seen for item in items], **shown, "truth": [item.truth for item in items]}
    run.figure(
        "squares", draw_squares, columns, range(min(SHOWN, len(items))),
        caption=f"The first test photographs, reduced to {items[0].truth.shape[0]} pixels, and four times as many "
        f"pixels per side by each method as were given. Pictures: {'; '.join(squares.credits[:SHOWN])}.",
    )  # fmt: skip
    run.figure_over_seeds(
        "costs", draw_costs, "PSNR ×4", SECONDS,
        caption="PSNR on the test photographs against the seconds that a megapixel takes on two cores: means over "
        "seeds, with 95 % intervals.",
    )  # fmt: skip
