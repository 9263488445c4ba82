"""Placed scenes: captions state everything, things lie at their stated places, and held-out pairs are held out."""

import numpy as np
import pytest

from ch07_applications.images_and_text import placed_scenes as module
from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, is_true, read
from ch07_applications.images_and_text.caption_renderers import parse
from ch07_applications.images_and_text.classes_and_colours import HUES, trained_pairs
from ch07_applications.images_and_text.placed_scenes import CENTRES, CLASSES, GROUND, crops_of, placed_scenes
from ch07_applications.tests.images_and_text.small_paintings import small_sets
from common.data import Scale

PARTS = ("train", "validation", "judging", "test", "held_out")


def things(part, k):
    return {
        (int(label), int(colour), int(place))
        for label, colour, place in zip(part.labels[k], part.colours[k], part.places[k], strict=True)
        if label >= 0
    }


@pytest.mark.parametrize("name", PARTS)
def test_every_caption_states_class_colour_and_place_of_every_thing(name):
    part = getattr(small_sets(), name)
    for k, captions in enumerate(part.captions):
        for caption in captions:
            assert set(parse(caption)) == things(part, k), caption.text


def test_held_out_pairs_occur_in_their_part_and_in_the_judges_alone():
    kept = trained_pairs()
    for name in PARTS:
        part = getattr(small_sets(), name)
        there = part.labels >= 0
        new = there & ~kept[part.labels, part.colours]
        assert set(np.unique(part.labels[there])) <= set(CLASSES)
        if name == "held_out":
            assert new.any(axis=1).all()
        else:
            assert new.any() == (name == "judging")


def test_shirts_and_coats_are_left_out():
    assert set(NOUNS) - {NOUNS[label] for label in CLASSES} == {"shirt", "coat"}


def test_the_two_things_of_a_scene_differ_and_either_may_be_the_new_one():
    part = small_sets().held_out
    two = part.labels[:, 1] >= 0
    pairs = part.labels[two] * len(COLOURS) + part.colours[two]
    assert (pairs[:, 0] != pairs[:, 1]).all()
    new = ~trained_pairs()[part.labels[two], part.colours[two]]
    assert new[:, 0].any()
    assert not new[:, 0].all()
    assert 0.5 < two.mean() < 0.9


def test_things_lie_within_the_squares_of_their_places():
    part = small_sets().test
    for k, image in enumerate(part.images):
        inside = np.zeros(image.shape[:2], bool)
        for place in part.places[k][part.places[k] >= 0]:
            x, y = CENTRES[place]
            inside[y - 8 : y + 8, x - 8 : x + 8] = True
        assert (image[~inside] == GROUND).all()


def test_squares_are_those_around_the_places_in_the_order_of_the_things():
    part = small_sets().test
    crops, at = crops_of(part.images, part.places), 0
    for k in range(len(part)):
        for place in part.places[k][part.places[k] >= 0]:
            x, y = CENTRES[place]
            np.testing.assert_array_equal(crops[at], part.images[k, y - 8 : y + 8, x - 8 : x + 8])
            at += 1
    assert at == len(crops)


def test_things_have_the_hue_that_is_named():
    part = small_sets().judging
    crops, there = crops_of(part.images, part.places).astype(float), part.places >= 0
    colours = part.colours[there]
    for crop, colour in zip(crops, colours, strict=True):
        red, green, blue = crop[crop.max(axis=2) > 0.7 * crop.max()].mean(axis=0)
        if COLOURS[colour] == "grey":
            assert np.ptp([red, green, blue]) < 8
        else:
            hue = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360
            assert abs((hue - HUES[colour] + 180) % 360 - 180) < 14


def test_meanings_are_alike_where_the_same_captions_are_true():
    part = placed_scenes(Scale("smoke"), (700, 2, 2, 2, 2)).train
    stated = [frozenset(things(part, k)) for k in range(len(part))]
    assert len(set(part.meanings.tolist())) == len(set(stated)) < len(part)
    assert len({(a, b) for a, b in zip(part.meanings.tolist(), stated, strict=True)}) == len(set(stated))


def test_swapped_colours_are_stated_and_belong_to_the_other_things():
    part = small_sets().test
    swapped = part.colours_swapped()
    assert len(swapped) > 10
    for k, item in enumerate(swapped.ids):
        assert things(swapped, k) == set(parse(swapped.inputs[k]))
        before, after = part.inputs[item], swapped.inputs[k]
        assert sorted(before.words) == sorted(after.words)
        assert before.words != after.words
        assert [w for w in before.words if w not in COLOURS] == [w for w in after.words if w not in COLOURS]
        np.testing.assert_array_equal(swapped.labels[k], part.labels[item])
        assert trained_pairs()[swapped.labels[k], swapped.colours[k]].all()
        assert not is_true(read(after.words), [
            module.Thing(NOUNS[label], COLOURS[colour], None, module.box_of(place))
            for label, colour, place in things(part, item)
        ])  # fmt: skip


def test_parts_share_no_garments_and_are_the_same_twice(monkeypatch):
    owned = []
    compose = module.compose

    def watched(composer, garments, drawn, rng):
        owned.append((id(composer), set(garments.tolist())))
        return compose(composer, garments, drawn, rng)

    monkeypatch.setattr(module, "compose", watched)
    sets = placed_scenes(Scale("smoke"), (8, 8, 8, 8, 8))
    train, validation, judging, test, held_out = owned
    assert train == judging
    assert train[0] == validation[0]
    assert not train[1] & validation[1]
    assert test == held_out
    assert test[0] != train[0]
    again = placed_scenes(Scale("smoke"), (8, 8, 8, 8, 8))
    for name in PARTS:
        np.testing.assert_array_equal(getattr(sets, name).images, getattr(again, name).images)
        assert getattr(sets, name).captions == getattr(again, name).captions
