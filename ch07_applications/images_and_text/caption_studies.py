"""What the choices of a caption generator change: the picture once or at every step, the search, how it is judged.

All on validation scenes. Where the true words of a sentence are given, the most probable next words look like a caption
and have a high BLEU, but nothing was generated: such a number is measured here beside that of generated sentences.
Binding: vectors of the scenes' true contents leave nothing uncertain, so that what is wrong is the decoder's mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn.functional import one_hot

from ch07_applications.images_and_text.caption_batches import CaptionedVectors
from ch07_applications.images_and_text.caption_rivals import DETECTOR, NEIGHBOURS
from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.object_encoder import KINDS, objects_in_quarters
from ch07_applications.images_and_text.stated_slots import (
    BLEU,
    CIDER,
    EXACT,
    PUBLISHED,
    SLOTS,
    judge_captions,
    references_of,
    score_captions,
)
from ch07_applications.images_and_text.vocabulary import BEGIN, END
from common.metrics.bleu import CorpusBleu
from common.paper_claims import PaperClaims
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.images_and_text.show_and_tell import Captioner

EVERY_STEP, GREEDY, BEAM = (
    f"{name}, validation" for name in ("picture at every step", "greedy search", "picture once, beam search")
)
FROM_START, FADED = (f"true contents, {name}, validation" for name in ("picture once from the start", "picture faded"))
Vectors = Float32[np.ndarray, "_ numbers"]
Words = tuple[str, ...]


def slots_right(part: CaptionedScenes) -> Callable[[list[Words]], float]:
    """The quality of captions of a part's scenes: the share of slots that are right."""
    return lambda captions: float(judge_captions(captions, part)[SLOTS].mean())


def claim_against(claims: PaperClaims, ours: str, rivals: Iterable[tuple[str, str]], parts: Iterable[str]) -> None:
    """Rows of the claims table. rivals: names, and where the paper compares them. parts: what the names end with."""
    for against, source in rivals:
        for name in parts:
            text, pair = f"Captions are right more often than by {against}{name}", (ours + name, against + name)
            claims.compared(text, source=source, paper="no number", ours=pair[0], against=pair[1], metric=SLOTS)
    for metric in (BLEU, CIDER):
        claims.compared(
            f"{metric} is higher than that of the nearest neighbours", source="Table 1", ours=ours, against=NEIGHBOURS,
            paper=PUBLISHED[metric], metric=metric,
        )  # fmt: skip
        sides = {"ours": ours, "against": DETECTOR, "metric": metric}
        claims.compared(f"… and than that of {DETECTOR}", source="not compared", paper="–", **sides)


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
        ("where the true words are given", teacher_forced(model, vectors, firsts)),
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
    run: Run, claims: PaperClaims, models: Mapping[str, Captioner], from_start: tuple[Captioner, float],
    part: CaptionedScenes,
) -> None:  # fmt: skip
    """What decoders lose where nothing is uncertain, as facts for the validation scenes of each number of objects.

    from_start: a decoder that has had the picture once from the first step of its training, and the seconds of that.
    """
    with run.method(FROM_START, kind="deep") as method:
        alone, method.fit_seconds = from_start
        method.model = alone
        vectors = true_contents(part)
        score_captions(method, alone.predict(vectors), part)
    with run.method(FADED, kind="deep") as method:
        method.model = models["once"]
        score_captions(method, models["once"].predict(vectors), part)
    text = "The picture once is learned better where training begins with the picture at every step"
    claims.compared(text, source="not in the paper", paper="–", ours=FADED, against=FROM_START, metric=SLOTS)
    counts = (part.labels >= 0).sum(axis=1)
    for name, model in {**models, "once from the start": alone}.items():
        judged = judge_captions(model.predict(vectors), part)
        for metric in (SLOTS, EXACT):
            for count in (1, 2, 3):
                found = judged[metric][counts == count].mean()
                run.fact(f"true contents {name}, {metric} of scenes of {count}", float(found), "%")


def teacher_forced(model: Captioner, vectors: Vectors, sentences: Sequence[Words]) -> list[Words]:
    """The most probable next word after each true beginning of a sentence: no caption, but often taken for one."""
    given, found = CaptionedVectors.of(torch.from_numpy(vectors), sentences, model.vocabulary), []
    with torch.inference_mode():
        for item in range(len(given)):
            own = given[item : item + 1]
            own = CaptionedVectors(own.vectors, own.words[:, : int(own.lengths)], own.lengths)
            found.append(model.vocabulary.decode(model.network(own)[0].argmax(dim=1)))
    return found


@torch.inference_mode()
def next_words(
    model: Captioner, vector: Float32[np.ndarray, "numbers"], most: int = 3, longest: int = 30
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Greedily, step by step: the word that is read, and the most probable next words with their probabilities."""
    names, found, word = model.vocabulary.words, [], BEGIN
    seen, state = model.network.start(torch.from_numpy(vector)[None])
    while word != END and len(found) < longest:
        scores, state = model.network.step(torch.tensor([word]), seen, state)
        best = scores[0].exp().topk(most)
        following = [(names[k], p) for k, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
        found.append((names[word], following))
        word = int(best.indices[0])
    return found


def true_contents(part: CaptionedScenes) -> Vectors:
    """Vectors as the encoder makes them, with the truth in place of its probabilities."""
    targets = objects_in_quarters(part)
    there = (targets[..., :1] >= 0).float()
    kinds = [one_hot(targets[..., k].clamp(min=0), count) * there for k, count in enumerate(KINDS)]
    return torch.cat([*kinds, there], dim=2).flatten(1).numpy()
