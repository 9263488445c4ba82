"""What a generated sentence states, held against the scene: slot by slot, as a whole, and by BLEU and CIDEr.

Each object of a scene has three slots: class, colour and size. A sentence is read back into things and relations; its
things are assigned to the scene's objects such that most slots are right. A thing too many and an object too few have
three wrong slots, a stated relation is a slot that is right where the relation holds between the two objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from jaxtyping import Float64

from ch07_applications.images_and_text.caption_grammar import Statement, Thing, holds, is_true, read
from ch07_applications.images_and_text.captioned_scenes import MOST, CaptionedScenes
from common.method import Method
from common.metrics.bleu import CorpusBleu
from common.metrics.cider import cider_d

KINDS = ("class", "colour", "size", "relation")
SLOTS, EXACT, BLEU, CIDER = "slots", "exact", "BLEU-4", "CIDEr-D"
PUBLISHED = {BLEU: "27.7 against 9.9 (COCO)", CIDER: "CIDEr 85.5 against 36.5 (COCO)"}  # Vinyals et al., Table 1
Words = Sequence[str]


def assigned(statement: Statement, things: Sequence[Thing]) -> tuple[list[int | None], list[int]]:
    """For each thing that is named its object, None for one too many, such that most slots are right; and how many
    classes, colours, sizes and relations then are."""
    named, best = statement.things[: MOST + 1], ([], [-1])
    places = [*range(len(things)), *[None] * max(0, len(named) - len(things))]
    for owners in permutations(places, len(named)):
        right = [0, 0, 0, 0]
        for thing, place in zip(named, owners, strict=True):
            if place is not None:
                right[0] += thing.noun == things[place].noun
                right[1] += thing.colour == things[place].colour
                right[2] += thing.size == things[place].size
        for first, relation, second in statement.relations:
            if max(first, second) < len(named) and None not in (owners[first], owners[second]):
                right[3] += holds(relation, *(things[owners[k]].box for k in (first, second)))
        best = max(best, (list(owners), right), key=lambda found: sum(found[1]))
    return best


def wrong_words(words: Sequence[str], things: Sequence[Thing]) -> set[int]:
    """The places of words for classes, colours and sizes that the scene's objects, best assigned, do not have."""
    statement, wrong, begin = read(words), set(), 0
    nouns = [place for place, word in enumerate(words) if word in {thing.noun for thing in statement.things}]
    for place, named, owner in zip(nouns, statement.things, assigned(statement, things)[0], strict=False):
        there = None if owner is None else things[owner]
        for at in range(begin, place + 1):
            named_here = read((*words[at : at + 1], "boot")).things[0]
            bad_class = at == place and (there is None or named.noun != there.noun)
            bad_colour = named_here.colour and at != place and (there is None or named_here.colour != there.colour)
            bad_size = named_here.size and at != place and (there is None or named_here.size != there.size)
            if bad_class or bad_colour or bad_size:
                wrong.add(at)
        begin = place + 1
    return wrong


def is_exact(statement: Statement, things: Sequence[Thing]) -> bool:
    """Whether a true statement names every object with its class, colour and size."""
    whole = all(thing.colour and thing.size for thing in statement.things)
    return whole and len(statement.things) == len(things) and is_true(statement, things)


def judge_captions(captions: Sequence[Words], part: CaptionedScenes) -> dict[str, Float64[np.ndarray, "items"]]:
    """In per cent, for each scene: SLOTS, EXACT, and each of KINDS; NaN where no relation was stated."""
    found = {name: np.full(len(part), np.nan) for name in (SLOTS, EXACT, *KINDS)}
    for scene, words in enumerate(captions):
        statement, things = read(words), part.things(scene)
        right = assigned(statement, things)[1]
        objects = max(len(things), len(statement.things))
        slots = [objects] * 3 + [len(statement.relations)]
        found[SLOTS][scene] = 100 * sum(right) / sum(slots)
        found[EXACT][scene] = 100 * is_exact(statement, things)
        for kind, hits, count in zip(KINDS, right, slots, strict=True):
            if count:
                found[kind][scene] = 100 * hits / count
    return found


def references_of(part: CaptionedScenes) -> list[list[Words]]:
    """The words of each scene's captions."""
    return [[caption.words for caption in own] for own in part.captions]


def score_captions(method: Method, captions: Sequence[Words], part: CaptionedScenes) -> None:
    """A caption of each scene of a part: rows for slots, exact, BLEU-4 and CIDEr-D, and a fact for each kind.

    A fact is 0 where no caption states its kind.
    """
    judged, references = judge_captions(captions, part), references_of(part)
    for name in (SLOTS, EXACT):
        method.score_items(name, judged[name], part, unit="%", higher_is_better=True)
    each = 100 * CorpusBleu(captions, references, part.groups).by_image()
    method.score_items(BLEU, each, part, higher_is_better=True)
    method.score_items(CIDER, cider_d(captions, references), part, higher_is_better=True)
    for kind in KINDS:
        known = judged[kind][np.isfinite(judged[kind])]
        method.run.fact(f"{kind} right: {method.name}", float(known.mean()) if len(known) else 0.0, "%")
