"""What the choices of a caption generator change: the picture once or at every step, the search, and how it is judged.

All on validation scenes. Where the true words of a sentence are given, the most probable next words look like a caption
and have a high BLEU, but nothing was generated: such a number is measured here beside that of generated sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.stated_slots import SLOTS, judge_captions, references_of, score_captions
from common.metrics.bleu import CorpusBleu
from common.paper_claims import PaperClaims
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.images_and_text.show_and_tell import Captioner

SHORT, EVERY_STEP = "image once, short", "image at every step, short"
GREEDY, BEAM = "greedy search, validation", "beam search, validation"
SHORT_EPOCHS = 6
Vectors = Float32[np.ndarray, "_ numbers"]
Words = tuple[str, ...]


def slots_right(part: CaptionedScenes) -> Callable[[list[Words]], float]:
    """The quality of captions of a part's scenes: the share of slots that are right."""
    return lambda captions: float(judge_captions(captions, part)[SLOTS].mean())


def study_choices(
    run: Run,
    claims: PaperClaims,
    made: tuple[Callable[..., Captioner], Captioner],
    learned: tuple[Vectors, Any],
    held: tuple[Vectors, CaptionedScenes],
) -> None:
    """made: how a model is trained, and the lesson's. learned: training vectors and sentences. held: validation's."""
    (train, model), (vectors, part) = made, held
    for name, every_step in ((SHORT, False), (EVERY_STEP, True)):
        with run.method(name, kind="deep") as method:
            epochs = run.pick(smoke=1, lecture=SHORT_EPOCHS, full=10)
            method.model = method.time(train, run, *learned, epochs, every_step=every_step)
            score_captions(method, method.model.predict(vectors), part)
    for name, beam in ((GREEDY, (1, False)), (BEAM, (3, False))):
        with run.method(name, kind="deep") as method:
            method.model = replace(model, beam=beam)
            score_captions(method, method.model.predict(vectors), part)
    firsts = [own[0] for own in references_of(part)]
    for what, said in (
        ("where the true words are given", model.forced(vectors, firsts)),
        ("of generated sentences", model.predict(vectors)),
    ):
        score = CorpusBleu(said, [[words] for words in firsts]).score()
        run.fact(f"BLEU-4 by one reference {what}, validation", 100 * score)
    for text, source, paper, ours, against in (
        ("The picture once is better than at every step (short training)", "§3.1", "no number", SHORT, EVERY_STEP),
        ("Beam search is better than greedy search", "§3.1", "2 BLEU points", BEAM, GREEDY),
    ):
        claims.compared(text, source=source, paper=paper, ours=ours, against=against, metric=SLOTS)
