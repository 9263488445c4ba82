"""A vocabulary: there and back, marks, unknown words, padding."""

import pytest

from ch07_applications.images_and_text.vocabulary import BEGIN, END, PADDING, UNKNOWN, Vocabulary, words_of
from common.errors import Problem

SENTENCES = [("a", "red", "boot"), ("a", "bag", "left", "of", "a", "t-shirt")]
WORDS = Vocabulary.of(SENTENCES)


@pytest.mark.parametrize("words", SENTENCES)
@pytest.mark.parametrize("marked", [True, False])
def test_words_come_back(words, marked):
    assert WORDS.decode(WORDS.encode(words, marked)) == words


def test_marks_stand_around_a_sentence():
    numbers = WORDS.encode(SENTENCES[0])
    assert (numbers[0], numbers[-1], len(numbers)) == (BEGIN, END, 5)
    assert min(numbers[1:-1]) > UNKNOWN


def test_what_follows_the_end_is_not_read():
    assert WORDS.decode([BEGIN, *WORDS.encode(("red",), False), END, *WORDS.encode(("bag",)), PADDING]) == ("red",)


def test_unknown_words_are_marked():
    assert WORDS.encode(("a", "zebra"), False)[1] == UNKNOWN
    assert WORDS.decode(WORDS.encode(("a", "zebra"))) == ("a", "<unknown>")


def test_rare_words_are_left_out():
    assert Vocabulary.of(SENTENCES, least=2).words[4:] == ("a",)
    assert Vocabulary.of(reversed(SENTENCES)) == WORDS


def test_a_batch_is_padded_behind():
    numbers, lengths = WORDS.batch(SENTENCES, marked=False)
    assert lengths.tolist() == [3, 6]
    assert numbers.shape == (2, 6)
    assert (numbers[0, 3:] == PADDING).all()
    assert [WORDS.decode(row) for row in numbers] == SENTENCES


def test_nothing_is_no_caption():
    with pytest.raises(Problem, match="without words"):
        WORDS.encode(())
    with pytest.raises(Problem, match="no captions"):
        WORDS.batch([])
    with pytest.raises(ValueError, match="begins with"):
        Vocabulary(("a", "b"))


def test_words_of_people_s_captions():
    assert words_of("A dog's T-shirt , red & blue .") == ("a", "dog's", "t-shirt", "red", "blue")
