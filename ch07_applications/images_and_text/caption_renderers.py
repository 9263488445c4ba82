"""Rivals for AttnGAN that draw captions without a network: whole pictures of training, cut-out things, mean things.

The first knows words only. The other two read a caption by the grammar that generated it (caption_grammar.py): they
are given which word belongs to which, and what a word for a place means, which is what the networks have to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, Caption, read
from ch07_applications.images_and_text.placed_scenes import (
    CENTRES,
    CROP,
    GROUND,
    LEFT,
    LOWER,
    MIDDLE,
    RIGHT,
    SIDE,
    UPPER,
    PlacedScenes,
    crops_of,
)
from common.errors import Problem

NEAREST, PASTED, TEMPLATE = "nearest caption's picture", "retrieved and recoloured", "template renderer"
RENDERERS = (NEAREST, PASTED, TEMPLATE)
ENDS = {"left of": (LEFT, RIGHT), "right of": (RIGHT, LEFT), "above": (UPPER, LOWER), "below": (LOWER, UPPER)}
SHADED = 0.5  # of a square's brightest pixel; brighter ones tell the colour


def parse(caption: Caption) -> list[tuple[int, int, int]]:
    """Class, colour and place of each thing that a caption states.

    Raises Problem for a caption that states no thing, or one without a colour: nothing could be drawn.
    """
    statement = read(caption.words)
    if not statement.things or None in [thing.colour for thing in statement.things]:
        raise Problem(f"{caption.text!r} states no thing with a colour: nothing can be drawn")
    places = [MIDDLE] * len(statement.things)
    for first, relation, second in statement.relations:
        places[first], places[second] = ENDS[relation]
    things = zip(statement.things, places, strict=True)
    return [(NOUNS.index(thing.noun), COLOURS.index(thing.colour), place) for thing, place in things]


@dataclass
class NearestCaption:
    """The picture of the training caption with the most similar words and pairs of words (tf-idf, cosine)."""

    counter_: Any = None
    table_: Any = None
    images_: Any = field(default=None, repr=False)

    def fit(self, scenes: PlacedScenes) -> NearestCaption:
        """Learn from all captions of the scenes."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        every = [caption.text for captions in scenes.captions for caption in captions]
        self.counter_ = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", sublinear_tf=True)
        self.table_, self.images_ = self.counter_.fit_transform(every), scenes.images
        return self

    def draw(self, captions: Sequence[Caption], seed: int = 0) -> UInt8[np.ndarray, "n side side 3"]:
        """A training picture for each caption."""
        fits = self.counter_.transform([caption.text for caption in captions]) @ self.table_.T
        return self.images_[np.asarray(fits.argmax(axis=1)).ravel() // (self.table_.shape[0] // len(self.images_))]


@dataclass
class ThingRenderer:
    """A thing of the stated class in the stated colour at the stated place.

    mean: the mean of the class's things in training; or one of them, drawn at random. Either has its own brightness,
    and the colour's mean shade.
    """

    mean: bool = True
    things_: dict[int, Float[np.ndarray, "_ 16 16"]] = field(default_factory=dict, repr=False)
    shades_: Float[np.ndarray, "colours 3"] | None = None

    def fit(self, scenes: PlacedScenes) -> ThingRenderer:
        """Learn what classes and colours look like from the squares around things."""
        crops, there = crops_of(scenes.images, scenes.places).astype(float), scenes.places >= 0
        labels, colours, levels = scenes.labels[there], scenes.colours[there], crops.max(axis=3)
        bright = levels >= SHADED * levels.max(axis=(1, 2), keepdims=True)
        relative = (crops / levels[..., None] * bright[..., None]).sum(axis=(1, 2)) / bright.sum(axis=(1, 2))[:, None]
        means = [relative[colours == colour].mean(axis=0) for colour in range(len(COLOURS))]
        self.shades_ = np.array([shade / shade.max() for shade in means])
        above = (levels - GROUND).clip(min=0)
        self.things_ = {int(label): above[labels == label] for label in np.unique(labels)}
        if self.mean:
            self.things_ = {label: things.mean(axis=0, keepdims=True) for label, things in self.things_.items()}
        return self

    def parameters(self) -> list[np.ndarray]:
        """What it keeps, for common.model_size."""
        return [self.shades_, *self.things_.values()]

    def draw(self, captions: Sequence[Caption], seed: int = 0) -> UInt8[np.ndarray, "n side side 3"]:
        """A picture for each caption; seed: of the things that are drawn."""
        rng, pictures = np.random.default_rng(seed), np.full((len(captions), SIDE, SIDE, 3), float(GROUND))
        for picture, caption in zip(pictures, captions, strict=True):
            for label, colour, place in parse(caption):
                things = self.things_[label]
                above = things[rng.integers(len(things))][..., None]
                shade = (GROUND + above) * self.shades_[colour]
                x, y = (centre - CROP // 2 for centre in CENTRES[place])
                covered = np.minimum(1, above / GROUND)  # where nothing of the thing is, the ground remains
                picture[y : y + CROP, x : x + CROP] = covered * shade + (1 - covered) * GROUND
        return np.rint(pictures).clip(0, 255).astype(np.uint8)


Renderer = NearestCaption | ThingRenderer


def renderer(name: str) -> Renderer:
    """One of RENDERERS, unfitted."""
    return {NEAREST: NearestCaption(), PASTED: ThingRenderer(mean=False), TEMPLATE: ThingRenderer()}[name]
