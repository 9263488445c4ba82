"""What the paper's claims on pose come to: against what needs no network, and against other numbers of stacks."""

from __future__ import annotations

from collections.abc import Mapping

from ch07_applications.blocks.side_by_side import Made
from ch07_applications.video.pose_rivals import PARTS, RIDGE, score
from ch07_applications.video.posed_people import PCK, Joints, PosedPeople, merged_ankles
from ch07_applications.video.views import around_boxes
from common.paper_claims import PaperClaims
from common.run import Run

OURS, BOXLESS = "stacked hourglass", "stacked hourglass, no box"
BASE, LAST_ONLY, ONE = "two stacks", "no intermediate supervision", "one stack, as many parameters"


def claim_against_rivals(run: Run, claims: PaperClaims, found: Mapping[str, Joints], test: PosedPeople) -> None:
    """Joints by heat maps against those of the rivals. found: joints of test people, by method."""
    for text, source, paper, against, metric in (
        ("Heat maps find joints better than pictorial structures", "Table 1", "wrists and elbows only", PARTS, PCK),
        ("… and wrists", "Table 1", "97.0 against 59.1 % (FLIC)", PARTS, f"{PCK}, wrists"),
        ("… and better than regression from HOG", "not compared", "–", RIDGE, PCK),
        ("A box helps to find joints", "§4.1: given", "–", BOXLESS, PCK),
    ):
        claims.compared(text, source=source, paper=paper, ours=OURS, against=against, metric=metric)
    legs = [f"{name}: ankles that are apart, predicted at one place" for name in (OURS, PARTS)]
    for fact, name in zip(legs, (OURS, PARTS), strict=True):
        run.fact(fact, merged_ankles(found[name], test), "%")
    text, sides = "Heat maps merge two legs into one less often", {"ours": legs[0], "against": legs[1]}
    claims.measured(text, source="not measured", paper="–", expects="lower", **sides)


def study_stacks(run: Run, claims: PaperClaims, held_out: PosedPeople, made: Mapping[str, Made]) -> None:
    """Short trainings on the same pictures, judged on validation people: what stacks and their losses do."""
    views = around_boxes(held_out.boxes, held_out.side)
    for name in (BASE, LAST_ONLY, ONE):
        with run.method(f"{name}, validation", kind="deep") as method:
            method.model, method.fit_seconds = made[name]
            score(method, method.model.predict(held_out, views), held_out, kinds=())
    for text, against in (
        ("A loss at every stack is better than one at the last", LAST_ONLY),
        ("Two hourglasses are better than a wider one", ONE),
    ):
        sides = {"ours": f"{BASE}, validation", "against": f"{against}, validation"}
        claims.compared(text, source="§4.3", paper="better; no number for two", **sides)
