"""What the choices of a caption generator change: the picture once or at every step, the search, how it is judged.

All on validation scenes. Where the true words of a sentence are given, the most probable next words look like a caption
and have a high BLEU, but nothing was generated: such a number is measured here beside that of generated sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn.functional import one_hot

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.object_encoder import KINDS, objects_in_quarters
from ch07_applications.images_and_text.stated_slots import EXACT, SLOTS, judge_captions, references_of, score_captions
from common.metrics.bleu import CorpusBleu
from common.paper_claims import PaperClaims
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.images_and_text.show_and_tell import Captioner

EVERY_STEP, GREEDY, BEAM = (
    f"{name}, validation" for name in ("picture at every step", "greedy search", "picture once, beam search")
)
CONTENTS = {"once": False, "at every step": True}
BINDING_EPOCHS = 8
Vectors = Float32[np.ndarray, "_ numbers"]
Words = tuple[str, ...]


def slots_right(part: CaptionedScenes) -> Callable[[list[Words]], float]:
    """The quality of captions of a part's scenes: the share of slots that are right."""
    return lambda captions: float(judge_captions(captions, part)[SLOTS].mean())


def study_choices(
    run: Run, claims: PaperClaims, models: tuple[Captioner, Captioner], held: tuple[Vectors, CaptionedScenes]
) -> None:
    """models: with the picture once, and with the picture at every step. held: vectors and scenes of validation."""
    (model, always), (vectors, part) = models, held
    for name, owner, beam in ((BEAM, model, 3), (GREEDY, model, 1), (EVERY_STEP, always, 3)):
        with run.method(name, kind="deep") as method:
            method.model = replace(owner, beam=(beam, False))
            score_captions(method, method.model.predict(vectors), part)
    firsts = [own[0] for own in references_of(part)]
    for what, captions in (
        ("where the true words are given", model.forced(vectors, firsts)),
        ("of generated sentences", model.predict(vectors)),
    ):
        score = CorpusBleu(captions, [[words] for words in firsts]).score()
        run.fact(f"BLEU-4 by one reference {what}, validation", 100 * score)
    for text, source, paper, against in (
        ("The picture once is better than at every step", "§3.1", "no number", EVERY_STEP),
        ("Beam search is better than greedy search", "§3.1", "2 BLEU points", GREEDY),
    ):
        claims.compared(text, source=source, paper=paper, ours=BEAM, against=against, metric=SLOTS)


def study_binding(
    run: Run, train: Callable[..., Captioner], learned: CaptionedScenes, held_out: CaptionedScenes
) -> None:
    """What the decoder loses where nothing is uncertain: its vectors are the true contents of the scenes.

    A fact for the validation scenes of each number of objects. train: of vectors and the scenes' sentences.
    """
    counts, epochs = (held_out.labels >= 0).sum(axis=1), run.pick(smoke=1, lecture=BINDING_EPOCHS, full=20)
    for name, every_step in CONTENTS.items():
        model = train(true_contents(learned), epochs=epochs, every_step=every_step)
        judged = judge_captions(model.predict(true_contents(held_out)), held_out)
        for metric in (SLOTS, EXACT):
            for count in (1, 2, 3):
                found = judged[metric][counts == count].mean()
                run.fact(f"true contents {name}, {metric} of scenes of {count}", float(found), "%")


def true_contents(part: CaptionedScenes) -> Vectors:
    """Vectors as the encoder makes them, with the truth in place of its probabilities."""
    targets = objects_in_quarters(part)
    there = (targets[..., :1] >= 0).float()
    kinds = [one_hot(targets[..., k].clamp(min=0), count) * there for k, count in enumerate(KINDS)]
    return torch.cat([*kinds, there], dim=2).flatten(1).numpy()
