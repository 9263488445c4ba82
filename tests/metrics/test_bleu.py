"""BLEU against nltk and COCO's caption code, the paper's worked examples, intervals, and bad captions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nltk.translate.bleu_score import corpus_bleu
from numpy.testing import assert_allclose

from common.metrics.bleu import CorpusBleu, closest_length, matches
from tests.metrics.made_captions import CANDIDATES, COCOS_BLEU, REFERENCES, made


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


# Papineni et al. 2002, §2.1 and §2.2, in lower case
THE = words("the the the the the the the")[0]
ON_THE_MAT = words("the cat is on the mat", "there is a cat on the mat")
GUIDES = words(
    "it is a guide to action which ensures that the military always obeys the commands of the party",
    "it is to insure the troops forever hearing the activity guidebook that party direct",
)
TO_ACTION = words(
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command of the party",
    "it is the practical guide for the army always to heed the directions of the party",
)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(10))
def test_it_is_nltk_s(seed, order):
    """Of candidates that have at least `order` words: of shorter ones nltk counts one n-gram that is not there."""
    candidates, references = made(seed, shortest=order)
    ours = CorpusBleu(candidates, references).score(order)
    assert ours == pytest.approx(corpus_bleu(references, candidates, weights=[1 / order] * order), abs=1e-12)
    assert order > 2 or ours > 0.1


def test_short_candidates_are_as_in_coco_s_code():
    """As pycocoevalcap 1.2 gives it, which adds 1e-15 to matches and 1e-9 to n-grams."""
    bleu = CorpusBleu(CANDIDATES, REFERENCES)
    assert min(map(len, CANDIDATES)) < 4
    assert_allclose([bleu.score(order) for order in (1, 2, 3, 4)], COCOS_BLEU, atol=1e-8)


def test_the_paper_s_examples_of_modified_precision():
    assert (matches(THE, ON_THE_MAT, 1), len(THE)) == (2, 7)
    assert matches(THE, ON_THE_MAT, 2) == 0
    first, second = GUIDES
    assert [(matches(first, TO_ACTION, n), len(first) - n + 1) for n in (1, 2)] == [(17, 18), (10, 17)]
    assert [(matches(second, TO_ACTION, n), len(second) - n + 1) for n in (1, 2)] == [(8, 14), (1, 13)]
    of_the = words("of the")[0]
    assert [(matches(of_the, TO_ACTION, n), 3 - n) for n in (1, 2)] == [(2, 2), (1, 1)]


def test_a_bleu_by_hand():
    """`the cat` beside `the cat sat`: both precisions are 1, and brevity costs exp(1 − 3/2)."""
    bleu = CorpusBleu(words("the cat"), [words("the cat sat")])
    assert bleu.score(2) == pytest.approx(math.exp(-0.5))
    assert bleu.score(3) == 0  # it has no trigram
    assert CorpusBleu(words("the cat sat"), [words("the cat")]).score(1) == pytest.approx(2 / 3)  # no penalty


def test_the_closest_reference_of_two_as_close_is_the_shorter():
    assert closest_length(["a"] * 5, [["a"] * 7, ["a"] * 3, ["a"] * 9]) == 3
    assert closest_length(["a"] * 5, [["a"] * 7, ["a"] * 2]) == 7


def test_the_corpus_s_bleu_is_no_mean_of_captions():
    candidates, references = made(3)
    single = [CorpusBleu([c], [r]).score() for c, r in zip(candidates, references, strict=True)]
    assert np.mean(single) < 0.9 * CorpusBleu(candidates, references).score()


def test_a_copy_of_a_reference_has_1_and_nothing_has_0():
    _, references = made(1, shortest=4)
    assert CorpusBleu([own[-1] for own in references], references).score() == pytest.approx(1)
    assert CorpusBleu([[] for _ in references], references).score() == 0
    assert CorpusBleu([["zebra"] * 9 for _ in references], references).score(1) == 0
    assert CorpusBleu([], []).score() == 0


def test_weights_are_images_that_are_there_so_many_times():
    candidates, references = made(2)
    weights = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=4)
    found = CorpusBleu(candidates, references).weighted(weights.astype(float), 3)
    for draw, value in zip(weights, found, strict=True):
        order = np.repeat(np.arange(30), draw)
        again = CorpusBleu([candidates[k] for k in order], [references[k] for k in order])
        assert value == pytest.approx(again.score(3))


def test_the_interval_and_the_values_by_image():
    candidates, references = made(4, images=120)
    bleu = CorpusBleu(candidates, references)
    found, values = bleu.interval(), bleu.by_image()
    assert found.value == pytest.approx(bleu.score())
    assert found.low < found.value < found.high
    assert values.mean() == pytest.approx(bleu.score())
    assert 3.92 * values.std(ddof=1) / math.sqrt(120) == pytest.approx(2 * found.half_width, rel=0.15)


def test_images_of_one_group_count_together():
    candidates, references = made(5)
    copies = [[one for one in ones for _ in range(4)] for ones in (candidates, references)]
    groups = np.repeat(np.arange(30), 4)
    assert_allclose(
        CorpusBleu(*copies, groups=groups).by_image()[::4], CorpusBleu(candidates, references).by_image(), atol=1e-12
    )
    alone, grouped = CorpusBleu(*copies).interval(), CorpusBleu(*copies, groups=groups).interval()
    assert grouped.half_width > 1.5 * alone.half_width


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ([["a"]], [[["a"]], [["a"]]], "1 candidates but references of 2 images"),
        ([["a"], ["b"]], [[["a"]], []], "image 1: there must be at least one reference"),
        (["a dog"], [[["a"]]], "image 0: the caption 'a dog' is a string; a caption is a list of tokens"),
        ([["a"]], [["a dog"]], "image 0: the caption 'a dog' is a string"),
        ([["a"]], ["a dog"], "image 0: there must be at least one reference, in a list, not 'a dog'"),
    ],
)
def test_captions_that_cannot_be_judged_are_named(candidates, references, message):
    with pytest.raises(ValueError, match=message):
        CorpusBleu(candidates, references)
