"""Captions of scenes by a small grammar: every sentence is true, and can be read back into what it states.

    caption   →  A  |  A relation B  |  A relation B and relation C  |  …                       (WORDINGS)
    A         →  a [pair of] size colour noun
    size      →  small | little | large | big
    relation  →  left of | to the left of | … | under

A relation is a matter of boxes: one lies left of another where it ends before the other begins. Of two things that
lie apart diagonally, two relations are true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

COLOURS = ("red", "yellow", "green", "blue", "purple", "grey")
SIZES = ("small", "large")
NOUNS = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
SAID = {  # how a size or a relation may be put into words
    "small": ("small", "little"),
    "large": ("large", "big"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
RELATIONS = ("left of", "right of", "above", "below")
WORDINGS = {  # by the number of things; A, B, C are things, AB is a relation of A to B
    1: ("A", "there is A", "this is A", "a picture of A"),
    2: ("A AB B", "A is AB B", "there is A AB B", "A and B"),
    3: ("A AB B and AC C", "A is AB B which is BC C", "there is C and A AB B", "A with B and C"),
}
UNRELATED = {1: "A", 2: "A and B", 3: "A with B and C"}
PAIRED = "trousers"
Box = tuple[float, float, float, float]  # x1, y1, x2, y2, in pixels, y downwards


@dataclass(frozen=True)
class Thing:
    """What a caption states of an object: None where it says nothing. box: where it is; None where nobody knows."""

    noun: str
    colour: str | None
    size: str | None
    box: Box | None = None


@dataclass(frozen=True)
class Caption:
    """words: of the sentence. owners: for each word, the object whose size, colour or class it names, and −1 else."""

    words: tuple[str, ...]
    owners: tuple[int, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class Statement:
    """What a sentence states. relations: (first, relation, second), by the places of things in `things`."""

    things: tuple[Thing, ...]
    relations: tuple[tuple[int, str, int], ...]


def holds(relation: str, first: Box, second: Box) -> bool:
    """Whether the first box lies so: it ends where the second has not yet begun. Raises ValueError for other words."""
    if relation not in RELATIONS:
        raise ValueError(f"{relation!r} is none of {RELATIONS}")
    axis = 0 if relation in ("left of", "right of") else 1
    before, after = (first, second) if relation in ("left of", "above") else (second, first)
    return before[axis + 2] <= after[axis]


def describe(things: Sequence[Thing], rng: np.random.Generator) -> Caption:
    """A true sentence about one to three things with boxes: order, wording and words are drawn.

    Where a relation is asked for and none is true, because boxes overlap, the sentence has none. Raises ValueError for
    no thing, for more than three, and for a thing without a box.
    """
    if len(things) not in WORDINGS or any(thing.box is None for thing in things):
        raise ValueError(f"a caption is about one to three things with boxes, not about {things}")
    order = rng.permutation(len(things))
    wordings = WORDINGS[len(things)]
    wording = wordings[rng.integers(len(wordings))].split()
    related = {}
    for slot in (slot for slot in wording if len(slot) == 2 and slot.isupper()):
        first, second = (things[order["ABC".index(letter)]] for letter in slot)
        true = [relation for relation in RELATIONS if holds(relation, first.box, second.box)]
        related[slot] = true[rng.integers(len(true))] if true else None
    if None in related.values():
        wording = UNRELATED[len(things)].split()
    words, owners = [], []
    for slot in wording:
        if slot in related:
            added, owner = put(related[slot], rng), -1
        elif slot in ("A", "B", "C"):
            owner = int(order["ABC".index(slot)])
            thing = things[owner]
            words += ["a", "pair", "of"] if thing.noun == PAIRED else ["a"]
            owners += [-1] * (len(words) - len(owners))
            size = put(thing.size, rng) if thing.size else []
            added = [*size, *([thing.colour] if thing.colour else []), thing.noun]
        else:
            added, owner = [slot], -1
        words += added
        owners += [owner] * len(added)
    return Caption(tuple(words), tuple(owners))


def put(meaning: str, rng: np.random.Generator) -> list[str]:
    """One of the ways to put a size or a relation into words."""
    ways = SAID[meaning]
    return ways[rng.integers(len(ways))].split()


def read(words: Sequence[str]) -> Statement:
    """What a sentence of this grammar states. Of a sentence that breaks the grammar: what can be made out.

    A relation after "and" is one of the first thing that was named, any other of the last one.
    """
    meanings = {tuple(way.split()): meaning for meaning, ways in SAID.items() for way in ways}
    things, relations = [], []
    size = colour = None
    pending, place = None, 0  # (first thing, relation) that waits for its second thing
    while place < len(words):
        word = words[place]
        taken = next((n for n in (4, 3, 2, 1) if tuple(words[place : place + n]) in meanings), 0)
        meaning = meanings.get(tuple(words[place : place + taken]))
        if word in NOUNS:
            things.append(Thing(word, colour, size))
            if pending:
                relations.append((*pending, len(things) - 1))
            size = colour = pending = None
        elif word in COLOURS:
            colour = word
        elif meaning in SIZES:
            size = meaning
        elif meaning and things:
            pending = (0 if words[place - 1] == "and" else len(things) - 1, meaning)
        place += max(1, taken)
    return Statement(tuple(things), tuple(relations))


def is_true(statement: Statement, things: Sequence[Thing]) -> bool:
    """Whether these things can be what the statement is about: each named thing another one of them, all of them with
    the attributes and relations that are stated. What is not stated may be anything. A statement about nothing is none.
    """
    if not statement.things:
        return False
    for those in permutations(things, len(statement.things)):
        agreed = all(agrees(named, thing) for named, thing in zip(statement.things, those, strict=True))
        if agreed and all(holds(how, those[a].box, those[b].box) for a, how, b in statement.relations):
            return True
    return False


def agrees(named: Thing, thing: Thing) -> bool:
    """Whether a thing has the class, colour and size that are named."""
    pairs = ((named.noun, thing.noun), (named.colour, thing.colour), (named.size, thing.size))
    return all(said is None or said == there for said, there in pairs)
