"""The choices of neural style transfer, one at a time: pooling, layer, start, optimiser, coarse to fine.

Question   The loss of gatys.py leaves open where the search begins, which optimiser runs it, and in which layer content
           is compared. What does each choice change, and do we find what the authors report?
Method     Gatys, Ecker and Bethge 2016, §4: the layer of content (Fig. 5: a low one keeps the photograph's details, a
           high one admits the style), the start (Fig. 6: photograph, style or noise, with similar results); average
           pooling (the paper of 2015, Methods); L-BFGS, which the authors found to work best; coarse to fine for large
           pictures (Gatys et al. 2017, §6). Each is changed alone, on photographs that score nothing else, and the
           base is printed beside it.
Rival      The base itself.
Differs    The score is a distance in SqueezeNet and the loss that is reached; the papers show pictures.
Costs      75 s on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from ch07_applications.style.drawn_style import draw_rows
from ch07_applications.style.gatys import LOSS, Recipe, restyle_all
from ch07_applications.style.style_judge import TO_CONTENT, TO_STYLE, Judge, score
from ch07_applications.style.styles import choosing_pairs
from common.data.squeezenet import squeezenet_or_none
from common.data.vgg import vgg_or_none
from common.paper_claims import PaperClaims
from common.run import Run

BASE, LOW, COARSE, POOLED = "base", "content in relu2_2", "half size first", "max pooling"
PHOTOGRAPH, NOISE = "from the photograph", "from noise"
CHANGES = {
    POOLED: {"average": False},
    LOW: {"content": "relu2_2"},
    PHOTOGRAPH: {"start": "photograph"},
    NOISE: {"start": "noise"},
    "Adam": {"optimiser": "Adam"},
    COARSE: {"sizes": (0.5, 1.0)},
    "no total variation": {"smoothness": 0.0},
}
CLAIMS = (  # text, source, the paper's finding, better, worse, metric
    ("Content in a low layer keeps more of the photograph", "2016, Fig. 5", "pictures", LOW, BASE, TO_CONTENT),
    ("… and content in a high layer lets more of the style in", "2016, Fig. 5", "pictures", BASE, LOW, TO_STYLE),
    ("Average pooling gives better pictures than max pooling", "2015, Methods", "“slightly”", BASE, POOLED, TO_STYLE),
    ("L-BFGS reaches a lower loss than Adam", "authors' code", "no number", BASE, "Adam", LOSS),
    ("A search at half the size first comes nearer to the style", "2017, §6.2", "pictures", COARSE, BASE, TO_STYLE),
)  # fmt: skip


def lesson(run: Run) -> None:
    pairs = choosing_pairs(run.pick(smoke=48, lecture=112, full=256), run.pick(smoke=2, lecture=6))
    network, judge = vgg_or_none(run.scale, run.note), Judge.of(squeezenet_or_none(run.scale, run.note))
    if network is None or judge is None:
        return
    claims, base = PaperClaims(run), Recipe(evaluations=run.pick(smoke=2, lecture=30, full=200))
    shown = {"photograph": pairs.inputs, "style": pairs.answers}
    for name, change in ({BASE: {}} | CHANGES).items():
        with run.method(name, kind="deep") as method:
            shown[name] = restyle_all(method, network, pairs, replace(base, **change))
            score(method, judge, pairs, shown[name])
    for text, source, paper, better, worse, metric in CLAIMS:
        claims.compared(text, source=source, paper=paper, ours=better, against=worse, metric=metric)
    claims.compared(
        "Photograph or noise as a start: similar results", source="2016, Fig. 6", paper="pictures", ours=NOISE,
        against=PHOTOGRAPH, metric=TO_STYLE, expects="level", margin=0.05,
    )  # fmt: skip
    run.floor(BASE, TO_STYLE, at_most=1.0)
    run.figure(
        "changes", draw_rows, shown, pairs.one_of_each,
        caption=f"The first training photograph of each style: the base, and each change by itself. {pairs.credits}",
    )  # fmt: skip
