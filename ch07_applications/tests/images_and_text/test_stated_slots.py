"""Slots, exact statements, templates and neighbours: right for true captions, wrong where something is changed."""

import numpy as np
import pytest

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, SIZES, Thing, is_true, read
from ch07_applications.images_and_text.caption_rivals import NearestCaptions, fill_template, fit_neighbours, grams
from ch07_applications.images_and_text.object_encoder import NUMBERS, objects_in_quarters
from ch07_applications.images_and_text.stated_slots import (
    EXACT,
    KINDS,
    SLOTS,
    assigned,
    is_exact,
    judge_captions,
    score_captions,
    wrong_words,
)
from ch07_applications.tests.images_and_text.small_scenes import regioned, run_of
from common.metrics.bleu import CorpusBleu

BOOT, BAG = Thing("boot", "red", "small", (10, 10, 40, 40)), Thing("bag", "blue", "large", (70, 10, 110, 50))
TRUE = "a small red boot left of a big blue bag"


def right(text, things=(BOOT, BAG)):
    return assigned(read(text.split()), things)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRUE, [2, 2, 2, 1]),
        ("a big blue bag is to the right of a little red boot", [2, 2, 2, 1]),
        ("a big red boot left of a small blue bag", [2, 2, 0, 1]),
        ("a small blue boot left of a big red bag", [2, 0, 2, 1]),
        ("a small red boot right of a big blue bag", [2, 2, 2, 0]),
        ("a small red boot above a big blue bag", [2, 2, 2, 0]),
        ("a small red boot", [1, 1, 1, 0]),
        ("a small red boot and a large grey coat", [1, 1, 2, 0]),
        ("there is", [0, 0, 0, 0]),
    ],
)
def test_slots_are_counted(text, expected):
    assert right(text) == expected


def test_a_thing_too_many_and_one_too_few_cost_their_slots():
    part = regioned().part
    own = [part.captions[k][0].words for k in range(len(part))]
    assert (judge_captions(own, part)[SLOTS] == 100).all()
    longer = [(*words, "and", "a", "small", "red", "boot") for words in own]
    assert (judge_captions(longer, part)[SLOTS] < 80).all()
    single = [("a", "boot")] * len(part)
    assert (judge_captions(single, part)[SLOTS] <= 100 / 9).all()


def test_every_true_caption_of_whole_things_is_exact():
    part = regioned().part
    for k in range(len(part)):
        for caption in part.captions[k]:
            statement, things = read(caption.words), part.things(k)
            assert is_exact(statement, things)
            others = part.things((k + 1) % len(part))
            assert is_exact(statement, others) == is_true(statement, others)
    assert not is_exact(read(["a", "boot"]), (BOOT,))  # true, but not the whole


def test_the_judge_counts_100_for_the_truth_and_the_facts_are_kept(tmp_path):
    part = regioned().part
    run = run_of(tmp_path)
    with run.method("truth", kind="reference") as method:
        score_captions(method, [own[0].words for own in part.captions], part)
    rows = {row.metric: row.value for row in run.record.rows}
    assert rows[SLOTS] == rows[EXACT] == 100
    assert rows["BLEU-4"] == pytest.approx(100)
    assert {fact.name for fact in run.record.facts} == {f"{kind} right: truth" for kind in KINDS}


def vectors_of(part):
    """The vectors of an encoder that makes no mistake."""
    found = np.zeros((len(part), 4, NUMBERS), np.float32)
    for scene, quarter in zip(*np.nonzero(objects_in_quarters(part)[..., 0].numpy() >= 0), strict=True):
        noun, colour, size = objects_in_quarters(part)[scene, quarter].tolist()
        places = (noun, len(NOUNS) + colour, len(NOUNS) + len(COLOURS) + size, NUMBERS - 1)
        found[scene, quarter, list(places)] = 1
    assert len(NOUNS) + len(COLOURS) + len(SIZES) + 1 == NUMBERS
    return found.reshape(len(part), -1)


def test_a_template_filled_with_the_truth_is_exact():
    part = regioned().part
    judged = judge_captions(fill_template(vectors_of(part), 0), part)
    assert (judged[EXACT] == 100).all()


def test_the_consensus_is_the_caption_most_like_the_others():
    captions = [[("a", "red", "boot"), ("a", "red", "boot", "here")], [("the", "blue", "bag")], [("a", "red", "boot")]]
    vectors = np.array([[0.0], [1.0], [0.1]], np.float32)
    model = fit_neighbours([vectors], captions, vectors, lambda said: -float(len(said[0])), counts=(3,))
    assert isinstance(model, NearestCaptions)
    assert model.predict(vectors)[1] == ("a", "red", "boot")
    model.k = 1
    assert model.predict(vectors)[1] == ("the", "blue", "bag")


def test_the_number_of_neighbours_is_the_one_with_the_best_quality():
    vectors = np.array([[0.0], [1.0], [1.1]], np.float32)
    captions = [[("a",), ("a",)], [("b",)], [("b",), ("b",), ("b",)]]
    for wanted, k in (("a", 1), ("b", 3)):
        quality = lambda said, wanted=wanted: float(said[0][0] == wanted)  # noqa: E731
        assert fit_neighbours([vectors], captions, vectors[:1], quality, counts=(1, 3)).k == k


@pytest.mark.parametrize("wanted", [0, 1])
def test_training_pictures_get_the_vectors_that_are_best_on_held_out_pictures(wanted):
    apart = np.array([[0.0], [1.0]], np.float32)
    libraries = [apart, apart[::-1].copy()] if wanted == 0 else [apart[::-1].copy(), apart]
    right = lambda said: float(said[0] == ("a",))  # noqa: E731
    model = fit_neighbours(libraries, [[("a",)], [("b",)]], apart[:1], right, counts=(1,))
    assert model.library == wanted
    assert model.predict(apart) == [("a",), ("b",)]


def test_grams_are_those_up_to_four():
    assert grams(["a", "b", "a"]) == ["a", "b", "a", "a b", "b a", "a b a"]


def test_wrong_words_are_found():
    words = ["a", "big", "red", "boot", "left", "of", "a", "large", "blue", "coat"]
    assert {words[k] for k in wrong_words(words, (BOOT, BAG))} == {"big", "coat"}
    assert wrong_words(TRUE.split(), (BOOT, BAG)) == set()


def test_bleu_of_a_reference_is_one_and_of_one_word_over_and_over_its_clipped_share():
    reference = ["the", "cat", "is", "on", "the", "mat"]
    assert CorpusBleu([reference], [[reference]]).score() == pytest.approx(1)
    assert CorpusBleu([["the"] * 7], [[reference]]).score(1) == pytest.approx(2 / 7)
