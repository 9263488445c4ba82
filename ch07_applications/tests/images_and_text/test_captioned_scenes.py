"""Captioned scenes: captions are true by geometry and by colour, parts share nothing, held-out pairs are held out."""

import colorsys
from functools import cache

import numpy as np
import pytest

from ch07_applications.images_and_text import captioned_scenes as module
from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, is_true, read
from ch07_applications.images_and_text.captioned_scenes import CaptionedComposer, captioned_scenes
from ch07_applications.images_and_text.classes_and_colours import HELD_OUT, trained_pairs
from common.data import Scale
from common.data.scenes import composers
from common.errors import Problem

SMOKE = Scale("smoke")
PARTS = ("train", "validation", "test", "held_out")


@cache
def sets():
    return captioned_scenes(SMOKE, sizes=(320, 160, 96, 160))


def maker(**settings):
    composer = composers(SMOKE)[1]
    return CaptionedComposer(composer, np.flatnonzero(composer.items.labels > 0), **settings)


@cache
def with_owners():
    return maker().compose(200, 7, owners=True)


@pytest.mark.parametrize("name", PARTS)
def test_every_caption_is_true_of_its_scene(name):
    part = getattr(sets(), name)
    for item, captions in enumerate(part.captions):
        assert len(captions) == module.CAPTIONS
        for caption in captions:
            statement = read(caption.words)
            assert len(statement.things) == len(part.things(item))
            assert is_true(statement, part.things(item)), caption.text


def test_captions_are_false_of_most_other_scenes():
    part = sets().train
    others = [is_true(read(part.captions[k][0].words), part.things(k + 1)) for k in range(len(part) - 1)]
    assert np.mean(others) < 0.05


def test_sizes_are_those_of_the_boxes():
    part = with_owners()
    there = part.labels >= 0
    longer = (part.boxes[..., 2:] - part.boxes[..., :2]).max(axis=2)
    small, large = longer[there & (part.sizes == 0)], longer[there & (part.sizes == 1)]
    assert small.max() < module.LARGE <= large.min()
    assert small.min() > 15
    assert (small.max(), large.max()) < (39, 54)
    assert np.median(large) / np.median(small) > 1.4


def test_boxes_hold_all_of_an_object_and_nothing_lies_outside():
    part = with_owners()
    for owner, boxes, labels in zip(part.owners, part.boxes, part.labels, strict=True):
        for number, box in enumerate(boxes):
            rows, columns = np.nonzero(owner == number)
            assert (len(rows) > 0) == (labels[number] >= 0)
            if len(rows):
                wanted = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                assert tuple(box) == wanted
                assert min(*wanted[:2], 128 - wanted[2], 128 - wanted[3]) > 0


def measured_colour(pixels):
    """The nearest name of a colour, by hue, of the mean of these pixels; grey where there is little of any hue."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(pixels.mean(axis=0) / 255))
    if saturation < 0.25:
        return "grey"
    names = {"red": 0, "yellow": 52, "green": 120, "blue": 222, "purple": 284}
    return min(names, key=lambda name: abs((360 * hue - names[name] + 180) % 360 - 180))


def test_colours_are_those_of_the_pixels():
    part, wrong, total = with_owners(), [], 0
    for item in range(len(part)):
        for number, thing in enumerate(part.things(item)):
            total += 1
            found = measured_colour(part.images[item][part.owners[item] == number].astype(float))
            if found != thing.colour:
                wrong.append((item, thing.colour, found))
    assert total > 350
    assert wrong == []


def test_parts_share_no_garment_and_no_photograph():
    parts = sets()
    photographs = [set(getattr(parts, name).groups.tolist()) for name in ("train", "validation")]
    assert not photographs[0] & photographs[1]
    assert photographs[1] <= set(module.VALIDATION_PHOTOS)
    garments = [set(getattr(parts, name).garments.ravel().tolist()) - {-1} for name in ("train", "validation")]
    assert not garments[0] & garments[1]
    training, testing = composers(SMOKE)
    assert parts.test.images.base is not parts.train.images.base
    assert not {p.tobytes() for p in training.photos} & {p.tobytes() for p in testing.photos}
    assert not {v.tobytes() for v in training.items.values[:1000]} & {v.tobytes() for v in testing.items.values[:300]}


def pairs_of(part):
    there = part.labels >= 0
    return set(zip(part.labels[there].tolist(), part.colours[there].tolist(), strict=True))


def test_held_out_pairs_never_occur_in_training_and_every_word_does():
    parts, held_out = sets(), set(enumerate(HELD_OUT))
    for name in ("train", "validation", "test"):
        assert not pairs_of(getattr(parts, name)) & held_out
    assert len(pairs_of(parts.train)) == trained_pairs().sum() == 50
    assert pairs_of(parts.held_out) & held_out == held_out
    unseen = np.array(HELD_OUT)[parts.held_out.labels] == parts.held_out.colours
    assert (unseen & (parts.held_out.labels >= 0)).any(axis=1).all()
    words = [
        {word for captions in part.captions for c in captions for word in c.words} for part in vars(parts).values()
    ]
    assert words[3] <= words[0]
    assert set(NOUNS) | set(COLOURS) <= words[0]


def test_no_two_objects_of_a_scene_agree_in_class_and_colour():
    for part in vars(sets()).values():
        for item in range(len(part)):
            things = [(thing.noun, thing.colour) for thing in part.things(item)]
            assert len(set(things)) == len(things)


def test_words_belong_to_the_objects_that_they_name():
    part = sets().train
    for item in range(len(part)):
        things = part.things(item)
        for caption in part.captions[item]:
            for word, owner in zip(caption.words, caption.owners, strict=True):
                if word in NOUNS:
                    assert things[owner].noun == word
                elif word in COLOURS:
                    assert things[owner].colour == word
                elif owner >= 0:
                    assert {"little": "small", "big": "large"}.get(word, word) == things[owner].size


@pytest.mark.parametrize("held_out", [False, True])
def test_a_scene_is_the_same_however_many_there_are(held_out):
    many, few = (maker().compose(n, 5, held_out=held_out) for n in (70, 41))
    for key in ("images", "boxes", "labels", "colours", "sizes", "garments", "groups"):
        np.testing.assert_array_equal(getattr(many, key)[:41], getattr(few, key))
    assert many.captions[:41] == few.captions
    assert not np.array_equal(many.images, maker().compose(70, 6, held_out=held_out).images)


@pytest.mark.parametrize("objects", [(1, 1), (2, 2), (3, 3), (2, 3)])
def test_scenes_have_as_many_objects_as_asked_for(objects):
    counts = (maker(objects=objects).compose(64, 0).labels >= 0).sum(axis=1)
    assert (counts.min(), counts.max()) == objects


def test_a_smaller_picture_is_the_same_picture():
    large, small = (maker(side=side).compose(40, 3) for side in (128, 32))
    np.testing.assert_allclose(small.boxes * 4, large.boxes)
    means = large.images.reshape(40, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(means - small.images).max() <= 0.5
    assert large.captions == small.captions


def test_without_colours_all_is_grey_and_no_colour_is_named():
    part = maker(coloured=False).compose(64, 0, owners=True)
    assert not {word for captions in part.captions for c in captions for word in c.words} & set(COLOURS)
    inside = part.images[part.owners >= 0].astype(float)
    assert np.abs(inside - inside.mean(axis=1, keepdims=True)).mean() < 5
    for item in range(len(part)):
        assert is_true(read(part.captions[item][0].words), part.things(item))
        assert len({thing.noun for thing in part.things(item)}) == len(part.things(item))


def test_taken_scenes_keep_what_is_theirs():
    part = with_owners().take(np.array([7, 3]))
    assert part.ids.tolist() == [7, 3]
    assert part.captions[1] == with_owners().captions[3]
    np.testing.assert_array_equal(part.owners[0], with_owners().owners[7])
    with pytest.raises(ValueError, match="read-only"):
        part.images[0] = 0


@pytest.mark.parametrize("wrong", [{"side": 100}, {"side": 0}, {"objects": (0, 2)}, {"objects": (2, 4)}])
def test_scenes_that_cannot_be_are_refused(wrong):
    with pytest.raises(Problem, match="not"):
        maker(**wrong)


def test_owners_of_reduced_pictures_are_refused():
    with pytest.raises(Problem, match="128"):
        maker(side=64).compose(2, 0, owners=True)
