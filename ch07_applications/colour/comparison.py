"""The three colour networks and their rivals on the same pictures, by every measure.

Question   Which method colours best? That depends on what is asked: a low error, rare colours, the right amount of
           colour, or pictures that are recognised. Does any method win all of them?
Method     Each lesson's own network, fitted once a run, and the rivals without one, all from the same 4000 pictures.
           Recoloured test pictures are also shown to a network that has learned ten classes from colour pictures (the
           small ResNet of this chapter): it recognises them better if their colours are what objects have (Zhang et
           al. 2016, §3.1). Then all methods colour the carried test photographs.
Rival      Nearest neighbours, similar pictures, ridge, trees. Levin et al. 2004 with the true colour of 20 points per
           picture is no rival but a reference: it shows what a few strokes by a person are worth.
Differs    The papers asked people, and showed VGG-16 pictures of 1000 classes.
Costs      4 minutes on two cores where the lessons before have not run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int

from ch07_applications.classification.cifar import cifar
from ch07_applications.classification.resnet import SMALL_RESNET, small_resnet
from ch07_applications.colour.ab_bins import Colours
from ch07_applications.colour.colorful import GREY, L2, OURS, colorful, rebalancing, regression, shared
from ch07_applications.colour.deep_colorization import REFINED, deep_colouriser
from ch07_applications.colour.drawn_colour import draw_gallery, draw_measures
from ch07_applications.colour.lab_pictures import (
    Chroma,
    ColourParts,
    LabPictures,
    Lightness,
    Pictures,
    colour_parts,
    lab_of,
    rgb_of,
)
from ch07_applications.colour.let_there_be_color import ALPHA, LABELS, SIMILAR, fused_colouriser
from ch07_applications.colour.levin import assisted
from ch07_applications.colour.luminance_rivals import PIXELS, rivals
from ch07_applications.colour.photographs import PhotographPart, Picture, photograph_part, predict_chroma
from ch07_applications.colour.scoring import BALANCED, ERROR, Judgement
from ch07_applications.colour.similar_pictures import SimilarPictures
from common.claims import beats
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run

TRUTH, LEVIN = "true colours", "Levin, 20 points given"
SYSTEMS = {L2: "squared error", OURS: "Colorful", LABELS: "Let there be Color", REFINED: "Deep Colorization"}
COLORFUL, LET_THERE, DEEP = (SYSTEMS[name] for name in (OURS, LABELS, REFINED))
NEIGHBOURS, TREES = "nearest neighbours", "trees"
RECOGNISED, ON_PHOTOGRAPHS = "recognised", "RMSE on photographs"
MORE_PIXELS = 100_000  # training pixels in the trial of more than PIXELS
SHOWN = 4  # photographs
Predict = Callable[[Lightness], Chroma]
Classes = Int[np.ndarray, "n"]


def classical(run: Run) -> dict[str, Any]:
    """The rivals without a network, unfitted, by name."""
    return {**rivals(run.seed, run.pick(smoke=2000, lecture=PIXELS)), SIMILAR: SimilarPictures()}


def networks(run: Run, parts: ColourParts) -> dict[str, Callable[[], Any]]:
    """What makes each lesson's system, unfitted, by the name under which that lesson has fitted it."""
    train = parts.train
    rare = rebalancing(Colours.of(train.chroma).shares)
    return {
        L2: partial(regression, run),
        OURS: partial(colorful, run, rare),
        LABELS: partial(fused_colouriser, run, train.labels, with_global=True, alpha=ALPHA),
        REFINED: partial(deep_colouriser, run, train),
    }


def recognise(method: Method, predict: Callable[[Pictures], Classes], part: LabPictures, pictures: Pictures) -> None:
    """The share of recoloured pictures whose class a network finds that has learned from colour pictures."""
    right = predict(pictures) == part.labels
    method.score_items(RECOGNISED, 100.0 * right, part, unit="%", higher_is_better=True)


def colour_photographs(method: Method, predict: Predict, part: PhotographPart) -> list[Picture]:
    """The test photographs in a method's colours, scored photograph by photograph."""
    errors, pictures = [], []
    for picture in part.inputs:
        lightness, chroma = (each[0] for each in lab_of(picture[None]))
        found = predict_chroma(lightness, predict)
        errors.append(np.sqrt(((found - chroma) ** 2).mean()))
        pictures.append(rgb_of(lightness[None], found[None])[0])
    method.score_items(ON_PHOTOGRAPHS, np.array(errors), part)
    return pictures


def study_pixels(run: Run, parts: ColourParts) -> None:
    """State the validation error of ridge and trees, fitted to as many pixels as for the scoreboard, and to more."""
    for pixels in run.pick(smoke=(500, 1000), lecture=(PIXELS, MORE_PIXELS)):
        for name in ("ridge", TREES):
            model = rivals(run.seed, pixels)[name].fit(parts.train.lightness, parts.train.chroma)
            difference = model.predict(parts.validation.lightness) - parts.validation.chroma
            error = float(np.sqrt((difference.astype(float) ** 2).mean()))
            run.fact(f"{ERROR} on validation pictures, {name} fitted to {pixels:,} pixels", error)


def state_claims(run: Run, claims: PaperClaims) -> None:
    """What the papers say of each other's kind, and the networks against the strongest rival."""
    recognised = {"source": "Zhang 2016, Table 1", "metric": RECOGNISED}
    claims.compared(
        "Pictures in predicted colours are recognised better than grey ones", paper="56.0 against 52.7 %",
        ours=COLORFUL, against=GREY, **recognised,
    )  # fmt: skip
    claims.compared(
        "… and not as well as in true colours", paper="68.3 against 56.0 %", ours=TRUTH, against=COLORFUL, **recognised
    )
    claims.compared(
        "Features of the whole picture beat features of a pixel", source="Iizuka 2016, §4", paper="pictures",
        ours=LET_THERE, against=DEEP, metric=ERROR,
    )  # fmt: skip
    for name in SYSTEMS.values():
        for metric in (ERROR, BALANCED):
            run.compare(name, TREES, metric)
    run.claim(f"{LET_THERE} beats {TREES} in {ERROR}.", beats(LET_THERE, TREES, ERROR))
    run.claim(f"{COLORFUL} beats {TREES} in {BALANCED}.", beats(COLORFUL, TREES, BALANCED))
    run.floor(COLORFUL, BALANCED, at_least=14)


def lesson(run: Run) -> None:
    parts, claims, part = colour_parts(run), PaperClaims(run), photograph_part(run.pick(smoke=2, lecture=None))
    judgement, pictures, coloured = Judgement(parts.test, Colours.of(parts.train.chroma)), {}, {}
    with run.method(TRUTH, kind="reference") as method:
        recogniser = method.fit_shared(SMALL_RESNET, partial(small_resnet, run), cifar(run).whole)
        recognise(method, recogniser.predict, parts.test, parts.test.images)

    def score(method: Method, chroma: Chroma) -> None:
        pictures[method.name] = judgement.score(method, chroma)
        recognise(method, recogniser.predict, parts.test, pictures[method.name])

    with run.method(GREY, kind="classical") as method:
        score(method, np.zeros_like(parts.test.chroma))
        coloured[GREY] = colour_photographs(method, lambda lightness: np.zeros((*lightness.shape, 2)), part)
    for name, build in {**{k: lambda v=v: v for k, v in classical(run).items()}, **networks(run, parts)}.items():
        with run.method(SYSTEMS.get(name, name), kind="deep" if name in SYSTEMS else "classical") as method:
            model = method.fit_shared(shared(name), build, parts.train)
            score(method, model.predict(parts.test.lightness))
            coloured[method.name] = colour_photographs(method, model.predict, part)
    with run.method(LEVIN, kind="reference") as method:
        score(method, method.time(assisted, parts.test.lightness, parts.test.chroma, run.seed))

    study_pixels(run, parts)
    state_claims(run, claims)
    shown = (GREY, NEIGHBOURS, TREES, *SYSTEMS.values(), LEVIN)
    rows = [int(np.flatnonzero(parts.test.labels == k)[0]) for k in np.unique(parts.test.labels)]
    run.figure(
        "gallery", draw_gallery, {**{name: pictures[name] for name in shown}, "truth": parts.test.images}, rows,
        caption="The first test picture of each class: grey, coloured by two rivals and four networks, by optimisation "
        "with 20 true colours, and the truth.",
    )  # fmt: skip
    columns = {name: coloured[name] for name in shown[:-1]}
    run.figure(
        "photographs", draw_gallery, {**columns, "truth": part.inputs}, range(min(SHOWN, len(part))), 1.25,
        caption=f"The first test photographs, coloured by the same methods. {part.credits(SHOWN)}",
    )  # fmt: skip
    run.figure_over_seeds(
        "measures", draw_measures, [TREES, NEIGHBOURS, GREY, *SYSTEMS.values()], (ERROR, BALANCED),
        caption="Plain error against balanced accuracy on the test pictures, with 95 % intervals. Low errors lie on "
        "the left, high accuracies above.",
    )  # fmt: skip
