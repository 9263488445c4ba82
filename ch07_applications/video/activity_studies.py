"""What a recurrent network's choices change, what it makes of skeletons, and what its paper claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ch07_applications.blocks.side_by_side import Made, timed
from ch07_applications.video.person_folds import WHOLE, Fold, judge, models_of, scores_of
from ch07_applications.video.skeleton_clips import Clips
from ch07_applications.video.skeleton_rivals import fit_svm, flat, score_clips, without_order
from ch07_applications.video.watch_rivals import FOREST, KERNELS, SVM, WARPING
from ch07_applications.video.watch_studies import LSTM
from common.ablation import BASE
from common.claims import beats
from common.paper_claims import PaperClaims
from common.run import Run

RAW = "raw samples + forest"
LAST, UNCHANGED, SHUFFLED = "last step's scores", "windows as recorded", "steps shuffled"
BOTH_WAYS, BOTH_THEN_ONE = "bidirectional", "cascaded"
JOINTS_LSTM, JOINTS_SVM, NO_ORDER = "skeletons: LSTM", "skeletons: SVM", "skeletons: SVM without order"
SKELETON_FLOOR = 80


def study_choices(run: Run, held: Sequence[Fold], made: Mapping[str, Sequence[Made]]) -> None:
    """One change of the recipe at a time, on people held out of the training part, after fewer epochs."""
    inputs = [fold.windows()[1].inputs for fold in held]
    for name in (BASE, BOTH_WAYS, BOTH_THEN_ONE, LAST, UNCHANGED, SHUFFLED):
        with run.method(name, kind="deep") as method:
            models = models_of(method, made[name])
            judge(method, held, [scores_of(*each) for each in zip(models, inputs, strict=True)])


def study_skeletons(run: Run, claims: PaperClaims, clips: Clips, made: Sequence[Made]) -> None:
    """Clips of 5 to 174 frames: a network that takes them as they are, and an SVM on 16 frames of each.

    made: of each fold the network's function that predicts, and its seconds.
    """
    score_clips(run, JOINTS_LSTM, "deep", clips, made)
    for name, features in ((JOINTS_SVM, flat), (NO_ORDER, without_order)):
        fits = [partial(fit_svm, features, part) for part, _ in clips.folds()]
        rivals = [timed(lambda _, fit=fit: fit(), run) for fit in fits]
        score_clips(run, name, "classical", clips, rivals)
        text = f"{JOINTS_LSTM} is better than {name}"
        claims.compared(text, source="§1", paper="not compared", ours=JOINTS_LSTM, against=name)
    run.floor(JOINTS_LSTM, "accuracy", at_least=SKELETON_FLOOR)


def claims_of_paper(run: Run, claims: PaperClaims) -> None:
    """Better than other methods, for inputs of any length, by the order in time, without features."""
    for name, paper in ((SVM, "about 97 against 96 %, UCI HAR"), (KERNELS, "not compared"), (WARPING, "not compared")):
        claims.compared(f"Recognises better than {name}", source="§4", paper=paper, ours=LSTM, against=name)
    claims.compared("Raw samples suffice, as they do not for a forest", source="§1", paper="–", ours=LSTM, against=RAW)
    sides = {"ours": f"accuracy at 5.12 s, {LSTM}", "against": f"accuracy at 1.28 s, {LSTM}"}
    claims.measured("The same network does better on longer inputs", source="§1", paper="–", **sides, expects="higher")
    sides = {"ours": f"accuracy, {LSTM}", "against": f"accuracy, {LSTM}, test steps shuffled"}
    claims.measured("It depends on the order in time", source="§1", paper="not measured", **sides, expects="higher")
    for text, source, against in (
        ("… and order helps to learn", "§1", SHUFFLED),
        ("Scores of all steps are better than the last step's", "§3", LAST),
        ("Windows that are turned, mirrored and stretched help (ours)", "–", UNCHANGED),
    ):
        claims.compared(text, source=source, paper="not compared", ours=BASE, against=against)
    for name in (SVM, KERNELS, FOREST):
        run.compare(LSTM, name, WHOLE)
    run.claim(f"{SVM} beats {LSTM} on windows.", beats(SVM, LSTM))
