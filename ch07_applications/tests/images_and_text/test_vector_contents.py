"""Linear models read from vectors exactly the information in them, and which word belongs to which thing."""

import numpy as np
import pytest
import torch

from ch07_applications.images_and_text import vector_contents as module
from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS
from ch07_applications.images_and_text.caption_renderers import parse
from ch07_applications.images_and_text.placed_scenes import LEFT, UPPER
from ch07_applications.images_and_text.vector_contents import by_place, colour_words, contents, of_two_things
from ch07_applications.tests.images_and_text.small_paintings import small_language, small_sets

CHANCE = 0.35  # a share of scenes or words that blind guesses stay below


def stated(caption):
    """Class and colour of the thing on the left or above, then of the other; what each colour's word belongs to."""
    things = sorted(parse(caption), key=lambda thing: thing[2])
    return [(label, colour) for label, colour, _ in things]


def test_things_are_ordered_by_place():
    part = of_two_things(small_sets().train)
    labels, colours = by_place(part)
    for row, caption in enumerate(part.inputs):
        assert list(zip(labels[row].tolist(), colours[row].tolist(), strict=True)) == stated(caption)
    assert len(part) == (small_sets().train.labels[:, 1] >= 0).sum()


def test_each_colour_s_word_has_the_place_of_its_thing(monkeypatch):
    part = of_two_things(small_sets().test)
    vectors, places = colour_words(*small_language(), part)
    words = [(caption, place) for caption in part.inputs for place, w in enumerate(caption.words) if w in COLOURS]
    assert len(vectors) == len(places) == len(words) == 2 * len(part)
    for (caption, at), place in zip(words, places, strict=True):
        noun = next(word for word in caption.words[at:] if word in NOUNS)
        assert (NOUNS.index(noun), COLOURS.index(caption.words[at]), place) in parse(caption)
    assert {LEFT, UPPER} <= set(places.tolist())


def written(captions, telling):
    """Vectors that contain the answers, or random ones."""
    longest = max(len(caption.words) for caption in captions)
    generator = torch.Generator().manual_seed(0)
    words = torch.randn(len(captions), longest, 4, generator=generator)
    wholes = torch.randn(len(captions), 32, generator=generator)
    if telling:
        for row, caption in enumerate(captions):
            wholes[row] = torch.zeros(32)
            for k, (label, colour) in enumerate(stated(caption)):
                wholes[row, 16 * k + label] = wholes[row, 16 * k + 10 + colour] = 1.0
            places = {(label, colour): place for label, colour, place in parse(caption)}
            for at, word in enumerate(caption.words):
                if word in COLOURS:
                    noun = next(later for later in caption.words[at:] if later in NOUNS)
                    words[row, at] = torch.eye(4)[places[NOUNS.index(noun), COLOURS.index(word)] - 1]
    return words, torch.ones(len(captions), longest, dtype=torch.bool), wholes


@pytest.mark.parametrize("telling", [True, False])
def test_all_that_vectors_hold_is_read_and_nothing_else(monkeypatch, telling):
    monkeypatch.setattr(module, "encode", lambda model, vocabulary, captions: written(captions, telling))
    parts = small_sets().judging, small_sets().train
    shares = contents(*small_language(), parts)
    if telling:
        np.testing.assert_allclose(shares, 1.0, atol=0.05)
    else:
        assert max(shares[:2]) < CHANCE
        assert shares[2] < 0.5
