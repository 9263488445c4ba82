"""DAMSM: the score and the loss against the paper's formulas written out, padding, and frozen weights."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.word_region_matching import (
    Described,
    DescribedBatches,
    ImageEncoder,
    SimilarityModel,
    TextEncoder,
    encode,
    match_wholes,
    match_words,
    matching_loss,
    train_similarity,
    words_there,
)
from ch07_applications.tests.images_and_text.small_paintings import small_language, small_sets
from ch07_applications.tests.images_and_text.small_scenes import run_of

LENGTHS = torch.tensor([5, 2, 4])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def there(longest=5):
    return words_there(torch.zeros(len(LENGTHS), longest, dtype=torch.long), LENGTHS)


def cosine(a, b):
    return float(a @ b) / (float(a.norm()) * float(b.norm()))


def score_by_hand(words, regions, gammas):
    """Eqs. 7–10 for one sentence without padding and one picture, number by number."""
    n, m = len(words), len(regions)
    s = [[float(words[i] @ regions[j]) for j in range(m)] for i in range(n)]
    over_words = [[math.exp(s[i][j]) / sum(math.exp(s[k][j]) for k in range(n)) for j in range(m)] for i in range(n)]
    total = 0.0
    for i in range(n):
        alpha = [math.exp(gammas[0] * over_words[i][j]) for j in range(m)]
        context = sum(a / sum(alpha) * regions[j] for j, a in enumerate(alpha))
        total += math.exp(gammas[1] * cosine(context, words[i]))
    return math.log(total) / gammas[1]


@pytest.mark.parametrize("gammas", [(5.0, 5.0, 10.0), (1.0, 2.0, 3.0)])
def test_scores_are_those_of_the_formulas_for_sentences_of_any_length(gammas):
    words, regions = torch.randn(3, 5, 6), torch.randn(4, 7, 6)
    scores = match_words(words, there(), regions, gammas)
    for k in range(4):
        for sentence, length in enumerate(LENGTHS.tolist()):
            wanted = score_by_hand(words[sentence, :length], regions[k], gammas)
            assert float(scores[k, sentence]) == pytest.approx(wanted, abs=1e-5)


def test_padding_changes_no_score_whatever_it_holds():
    words, regions = torch.randn(3, 5, 6), torch.randn(4, 7, 6)
    other = torch.where(there()[..., None], words, 100 * torch.randn(3, 5, 6))
    torch.testing.assert_close(match_words(other, there(), regions), match_words(words, there(), regions))


def loss_by_hand(tables, meanings, gamma):
    total = 0.0
    for table in tables:
        n = len(table)
        for i in range(n):
            allowed = [j for j in range(n) if j == i or meanings[j] != meanings[i]]
            total -= math.log(math.exp(gamma * table[i][i]) / sum(math.exp(gamma * table[i][j]) for j in allowed)) / n
            total -= math.log(math.exp(gamma * table[i][i]) / sum(math.exp(gamma * table[j][i]) for j in allowed)) / n
    return total


def test_the_loss_is_that_of_the_formulas_both_ways_for_words_and_wholes():
    scores, meanings = torch.rand(2, 5, 5), torch.arange(5)
    assert float(matching_loss(scores, meanings)) == pytest.approx(loss_by_hand(scores.tolist(), range(5), 10.0))


def test_two_sentences_that_say_the_same_are_no_wrong_pair():
    scores, meanings = torch.rand(2, 5, 5), torch.tensor([7, 3, 7, 1, 3])
    wanted = loss_by_hand(scores.tolist(), meanings.tolist(), 10.0)
    assert float(matching_loss(scores, meanings)) == pytest.approx(wanted)
    alike = torch.zeros(5, dtype=torch.long)
    assert float(matching_loss(scores, alike)) == 0, "where all say the same there is nothing to tell apart"


def test_a_model_that_cannot_tell_loses_the_logarithm_of_the_batch():
    assert float(matching_loss(torch.zeros(2, 8, 8), torch.arange(8))) == pytest.approx(4 * math.log(8))


def test_wholes_are_compared_by_the_angle_alone():
    sentences, wholes = torch.randn(3, 6), torch.randn(4, 6)
    scores = match_wholes(sentences, wholes)
    assert float(scores[2, 1]) == pytest.approx(cosine(wholes[2], sentences[1]), abs=1e-6)
    torch.testing.assert_close(match_wholes(2 * sentences, 3 * wholes), scores)


# The encoders


def test_words_and_sentence_of_a_caption_do_not_depend_on_the_batch_it_is_in():
    encoder, numbers = TextEncoder(12).eval(), torch.randint(4, 12, (3, 5))
    words, sentences = encoder(numbers, LENGTHS)
    for k, length in enumerate(LENGTHS.tolist()):
        alone, whole = encoder(numbers[k : k + 1, :length], LENGTHS[k : k + 1])
        torch.testing.assert_close(words[k, :length], alone[0])
        torch.testing.assert_close(sentences[k], whole[0])
        assert (words[k, length:] == 0).all()


def test_the_sentence_is_the_last_state_of_either_way():
    encoder, numbers = TextEncoder(12, width=8).eval(), torch.randint(4, 12, (3, 5))
    words, sentences = encoder(numbers, LENGTHS)
    for k, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(sentences[k, :4], words[k, length - 1, :4])
        torch.testing.assert_close(sentences[k, 4:], words[k, 0, 4:])


def test_regions_are_cells_of_the_picture_row_by_row():
    encoder = ImageEncoder().eval()
    images = torch.zeros(1, 3, 32, 32)
    with torch.no_grad():
        before = encoder(images)[0]
        images[:, :, 1:3, 29:31] = 1.0  # in the upper right corner
        changed = (encoder(images)[0] - before).abs().sum(dim=2)[0].unflatten(0, (8, 8))
    assert changed[:2, 6:].sum() > 0.99 * changed.sum()
    assert before.shape == (1, 64, 64)


def test_a_picture_and_its_mirror_image_are_different_wholes():
    encoder, picture = ImageEncoder().eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        plain, mirrored = (encoder(each)[1] for each in (picture, picture.flip(3)))
    assert not torch.allclose(plain, mirrored, atol=1e-3), "left and right have to be told apart"


# The model


def test_the_model_scores_every_picture_with_every_sentence():
    model, vocabulary = small_language()
    batches = DescribedBatches.of(small_sets().train, vocabulary)
    described, meanings = batches.batch(torch.arange(6), torch.Generator().manual_seed(0))
    scores = model(described)
    words, sentences = model.text(described.numbers, described.lengths)
    regions, wholes = model.image(described.pixels)
    mask = words_there(described.numbers, described.lengths)
    torch.testing.assert_close(
        scores, torch.stack([match_words(words, mask, regions), match_wholes(sentences, wholes)])
    )
    np.testing.assert_array_equal(meanings, small_sets().train.meanings[:6])
    torch.testing.assert_close(scores[:, :2, :2], model(described[:2]))


def test_batches_draw_a_caption_of_the_picture_itself():
    _, vocabulary = small_language()
    part, generator = small_sets().train, torch.Generator().manual_seed(0)
    batches, seen = DescribedBatches.of(part, vocabulary), set()
    for _ in range(8):
        described, _ = batches.batch(torch.tensor([5, 9]), generator)
        assert isinstance(described, Described)
        for item, numbers, length in zip((5, 9), described.numbers, described.lengths, strict=True):
            words = vocabulary.decode(numbers[:length])
            assert words in [caption.words for caption in part.captions[item]]
            seen.add(words)
    assert len(seen) > 3


def test_training_finds_pairs_and_leaves_a_model_that_stands_still(tmp_path):
    part, (_, vocabulary) = small_sets().train, small_language()
    model = train_similarity(run_of(tmp_path), part, vocabulary, 8, 0)
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not model.training
    described, meanings = DescribedBatches.of(part, vocabulary).batch(torch.arange(48), torch.Generator())
    with torch.no_grad():
        learned = matching_loss(model(described), meanings)
        untrained = matching_loss(small_language()[0](described), meanings)
    assert float(learned) < 0.8 * float(untrained)


def test_encoded_captions_are_those_of_the_text_encoder():
    model, vocabulary = small_language()
    captions = [Caption(("a", "red", "boot"), (-1, 0, 0)), Caption(("a", "blue", "bag", "above"), (-1, 0, 0, -1))]
    words, mask, sentences = encode(model, vocabulary, captions)
    assert mask.sum(dim=1).tolist() == [3, 4]
    alone, _, whole = encode(model, vocabulary, captions[:1])
    torch.testing.assert_close(words[0, :3], alone[0])
    torch.testing.assert_close(sentences[0], whole[0])
    assert isinstance(SimilarityModel(9).text.recur, nn.LSTM)
    assert functional.cosine_similarity(sentences[0], sentences[1], dim=0) < 1
