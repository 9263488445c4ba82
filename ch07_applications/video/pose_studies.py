"""What stacked hourglasses and their losses do, after short trainings that differ in one place."""

from __future__ import annotations

from collections.abc import Mapping

from ch07_applications.blocks.side_by_side import Made
from ch07_applications.video.pose_rivals import score
from ch07_applications.video.posed_people import PosedPeople
from ch07_applications.video.views import around_boxes
from common.paper_claims import PaperClaims
from common.run import Run

BASE, LAST_ONLY, ONE = "two stacks", "no intermediate supervision", "one stack, as many parameters"


def study_stacks(run: Run, claims: PaperClaims, held_out: PosedPeople, made: Mapping[str, Made]) -> None:
    """Networks that have learned from the same pictures, judged on validation people. made: by side_by_side."""
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
