"""The grammar of captions: statements are true, and are parsed back unchanged."""

import numpy as np
import pytest

from ch07_applications.images_and_text.caption_grammar import (
    RELATIONS,
    SAID,
    WORDINGS,
    Thing,
    describe,
    holds,
    is_true,
    read,
)

BOOT = Thing("boot", "red", "small", (0, 0, 10, 10))
BAG = Thing("bag", "blue", "large", (20, 30, 60, 70))
COAT = Thing("coat", "grey", "large", (20, 0, 60, 20))


def test_relations_of_boxes():
    assert [r for r in RELATIONS if holds(r, BOOT.box, BAG.box)] == ["left of", "above"]
    assert [r for r in RELATIONS if holds(r, BAG.box, BOOT.box)] == ["right of", "below"]
    assert [r for r in RELATIONS if holds(r, BAG.box, COAT.box)] == ["below"]
    assert not any(holds(r, (0, 0, 10, 10), (5, 5, 15, 15)) for r in RELATIONS)
    assert holds("left of", (0, 0, 10, 10), (10, 0, 20, 10)), "boxes that touch do not overlap"
    with pytest.raises(ValueError, match="beside"):
        holds("beside", BOOT.box, BAG.box)


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("a small red boot left of a big blue bag and below a large grey coat", [(0, "left of", 1), (0, "below", 2)]),
        ("a red boot is to the left of a bag which is under a coat", [(0, "left of", 1), (1, "below", 2)]),
        ("there is a coat and a boot over a bag", [(1, "above", 2)]),
        ("a boot with a bag and a coat", []),
        ("a picture of a boot", []),
    ],
)
def test_relations_belong_to_the_things_that_they_are_about(text, relations):
    assert list(read(text.split()).relations) == relations


def test_attributes_belong_to_the_noun_that_follows():
    text = "a little red boot right of a pair of trousers and a green bag"
    things = read(text.split()).things
    assert [(t.size, t.colour, t.noun) for t in things] == [
        ("small", "red", "boot"),
        (None, None, "trousers"),
        (None, "green", "bag"),
    ]


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("a red boot left of a blue bag", True),
        ("a boot above a bag", True),
        ("a blue bag below a coat", True),
        ("a red boot right of a blue bag", False),
        ("a blue boot", False),
        ("a blue boot left of a red bag", False),
        ("a large boot", False),
        ("a boot and a boot", False),
        ("a boot with a bag and a grey coat", True),
        ("a bag which is below a coat", True),
        ("the of and", False),
        ("", False),
    ],
)
def test_what_is_true_of_three_things(text, true):
    assert is_true(read(text.split()), (BOOT, BAG, COAT)) == true


def test_every_wording_and_every_word_occurs_and_is_read_back():
    rng, said = np.random.default_rng(0), set()
    for things in ((BOOT,), (BOOT, BAG), (COAT, BOOT, BAG)):
        texts = set()
        for _ in range(200):
            caption = describe(things, rng)
            statement = read(caption.words)
            assert is_true(statement, things)
            assert len(statement.things) == len(things)
            texts.add(caption.text)
            said |= {way for ways in SAID.values() for way in ways if f" {way} " in f" {caption.text} "}
        assert len(texts) >= 2 * len(WORDINGS[len(things)])
    assert said == {way for ways in SAID.values() for way in ways}


def test_the_order_of_things_in_a_caption_is_drawn():
    rng = np.random.default_rng(0)
    first = [read(describe((BOOT, BAG, COAT), rng).words).things[0].noun for _ in range(300)]
    assert min(first.count(noun) for noun in ("boot", "bag", "coat")) > 70


def test_things_that_overlap_have_no_relation():
    over = Thing("bag", "blue", "large", (5, 5, 30, 30))
    rng = np.random.default_rng(0)
    assert not any(read(describe((BOOT, over), rng).words).relations for _ in range(50))


@pytest.mark.parametrize("things", [(), (BOOT,) * 4, (Thing("boot", "red", "small"),)])
def test_what_cannot_be_described_is_refused(things):
    with pytest.raises(ValueError, match="one to three"):
        describe(things, np.random.default_rng(0))
