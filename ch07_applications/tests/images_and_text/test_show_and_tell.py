"""Show and Tell: the loss, where the picture enters, and beam search against a search of all sentences."""

from itertools import pairwise, product
from math import log

import numpy as np
import pytest
import torch
from torch.nn import functional

from ch07_applications.images_and_text import show_and_tell
from ch07_applications.images_and_text.caption_batches import (
    FADING,
    CaptionBatches,
    CaptionedVectors,
    FadingPictures,
    remaining,
)
from ch07_applications.images_and_text.caption_rivals import fill_template
from ch07_applications.images_and_text.caption_studies import next_words, teacher_forced, true_contents
from ch07_applications.images_and_text.show_and_tell import (
    Captioner,
    ImageCaptioner,
    beam_search,
    caption_loss,
    train,
)
from ch07_applications.images_and_text.stated_slots import EXACT, SLOTS, judge_captions
from ch07_applications.images_and_text.vocabulary import BEGIN, END, MARKS, PADDING, UNKNOWN, Vocabulary
from ch07_applications.tests.images_and_text.small_scenes import regioned, run_of
from common.errors import Problem

SENTENCES = [("a", "red", "boot"), ("a", "bag"), ("a", "small", "blue", "bag", "above", "a", "boot"), ("boot",)]


def network_of(words, hidden=16, share=0.0, numbers=6, seed=0, memory=0):
    torch.manual_seed(seed)
    return ImageCaptioner(torch.randn(20, numbers), words, hidden=hidden, memory=memory, share=share).eval()


def given(vocabulary, n=4, numbers=6):
    torch.manual_seed(1)
    return CaptionedVectors.of(torch.randn(n, numbers), SENTENCES[:n], vocabulary)


def by_hand(network, item):
    """Σ log p of a sentence by Eqs. 10–12, with the LSTM's gates written out."""
    lstm, state, cell = network.lstm, torch.zeros(1, 16), torch.zeros(1, 16)

    def step(x, state, cell):
        gates = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + state @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        i, f, g, o = gates.chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell

    state, cell = step(network.image((item.vectors - network.mean) / network.deviation), state, cell)
    total, words = 0.0, item.words[0, : int(item.lengths[0])].tolist()
    for word, following in pairwise(words):
        state, cell = step(network.word.weight[word][None], state, cell)
        total += network.score(network.leave(state).relu()).log_softmax(dim=1)[0, following]
    return total


def test_the_loss_is_that_of_the_equations_whatever_the_padding():
    vocabulary = Vocabulary.of(SENTENCES)
    network, data = network_of(len(vocabulary)), given(Vocabulary.of(SENTENCES))
    total, count = caption_loss(network(data))
    expected = -sum(by_hand(network, data[k : k + 1]) for k in range(len(data)))
    torch.testing.assert_close(total, expected)
    assert int(count) == sum(len(words) + 1 for words in SENTENCES)  # END is predicted, BEGIN is not
    padded = CaptionedVectors(data.vectors, functional.pad(data.words, (0, 5), value=PADDING), data.lengths)
    torch.testing.assert_close(caption_loss(network(padded))[0], total)


def test_an_untrained_network_finds_all_words_about_alike():
    vocabulary = Vocabulary.of(SENTENCES)
    total, count = caption_loss(network_of(len(vocabulary))(given(vocabulary)))
    assert float((total / count).detach()) == pytest.approx(log(len(vocabulary)), rel=0.1)


def test_targets_are_the_next_words_and_not_those_that_were_read():
    vocabulary = Vocabulary.of(SENTENCES)
    data = given(vocabulary, n=1)
    network = network_of(len(vocabulary), hidden=len(vocabulary))
    _, wanted = network(data)
    assert wanted.tolist() == [*vocabulary.encode(SENTENCES[0], marked=False), END]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_picture_enters_once_or_at_every_step(share):
    network = network_of(12, share=share)
    one, other = torch.randn(2, 1, 6)
    seen, state = network.start(one)
    changed, other_state = network.start(other)
    words = torch.tensor([5])
    alike = torch.allclose(network.step(words, seen, state)[0], network.step(words, changed, state)[0])
    assert alike == (share == 0)  # after the start, the picture reaches the words through the state alone
    assert not torch.allclose(network.step(words, seen, state)[0], network.step(words, seen, other_state)[0])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_steps_give_the_scores_that_training_sees(share):
    vocabulary = Vocabulary.of(SENTENCES)
    network, data = network_of(len(vocabulary), share=share), given(vocabulary)[2:3]
    scores, wanted = network(data)
    seen, state = network.start(data.vectors)
    for word, row in zip([BEGIN, *wanted.tolist()], scores, strict=False):
        found, state = network.step(torch.tensor([word]), seen, state)
        row = row.clone()
        row[[PADDING, BEGIN, UNKNOWN]] = -torch.inf
        torch.testing.assert_close(found[0], row.log_softmax(dim=0))


def greedy(network, vector, longest):
    seen, state = network.start(vector)
    words = [BEGIN]
    while len(words) <= longest and words[-1] != END:
        scores, state = network.step(torch.tensor(words[-1:]), seen, state)
        words.append(int(scores.argmax()))
    return words[1:]


def total_of(network, vector, sentence):
    seen, state = network.start(vector)
    total, before = 0.0, BEGIN
    for word in sentence:
        scores, state = network.step(torch.tensor([before]), seen, state)
        total, before = total + float(scores[0, word]), word
    return total


@torch.inference_mode()
def test_a_beam_of_one_is_greedy_search():
    network, vectors = network_of(12), torch.randn(9, 6)
    found = beam_search(network, vectors, 1, longest=8)
    assert found == [greedy(network, vectors[k : k + 1], 8) for k in range(9)]
    assert len({tuple(words) for words in found}) > 1


@pytest.mark.parametrize("per_word", [False, True])
@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_a_beam_of_everything_finds_the_best_of_all_sentences(per_word, seed):
    network, vectors, longest = network_of(len(MARKS) + 2, seed=seed), torch.randn(5, 6), 4
    with torch.no_grad():
        network.score.weight.mul_(6)  # so that words differ
    words = range(len(MARKS), len(MARKS) + 2)
    every = [(*own, END) for n in range(longest) for own in product(words, repeat=n)]
    every += list(product(words, repeat=longest))  # those that are cut off
    found = beam_search(network, vectors, 3**longest, per_word, longest)
    for vector, said in zip(vectors[:, None], found, strict=True):
        values = [total_of(network, vector, own) / (len(own) if per_word else 1) for own in every]
        assert tuple(said) == every[int(np.argmax(values))]


@torch.inference_mode()
def test_a_wider_beam_finds_no_less_probable_sentence_on_average_and_pictures_do_not_mix():
    network, vectors = network_of(12), torch.randn(20, 6)
    with torch.no_grad():
        network.score.weight.mul_(6)
    totals = []
    for width in (1, 4):
        found = beam_search(network, vectors, width, longest=6)
        assert found == [beam_search(network, vectors[k : k + 1], width, longest=6)[0] for k in range(20)]
        totals.append(np.mean([total_of(network, vectors[k : k + 1], own) for k, own in enumerate(found)]))
    assert totals[1] > totals[0]


@torch.inference_mode()
def test_marks_are_never_said_and_nothing_follows_the_end():
    network = network_of(12)
    with torch.no_grad():
        network.score.bias[[PADDING, BEGIN, UNKNOWN]] = 50.0
        network.score.bias[END] = 0.5
    for own in beam_search(network, torch.randn(30, 6), 3, longest=12):
        assert not {PADDING, BEGIN, UNKNOWN} & set(own)
        assert END not in own[:-1]


def learned(tmp_path, epochs=60):
    """Three kinds of pictures, and a sentence of each."""
    kinds = np.repeat(np.eye(3, dtype=np.float32), 8, axis=0)
    vectors = np.concatenate([np.full((24, 4), 1000, np.float32), kinds], axis=1)  # large numbers that all share
    return train(run_of(tmp_path), vectors, [[SENTENCES[int(row[4:].argmax())]] for row in vectors], epochs), vectors


def test_pictures_with_different_vectors_get_different_captions(tmp_path):
    model, vectors = learned(tmp_path)
    assert model.predict(vectors[::8]) == SENTENCES[:3]
    assert teacher_forced(model, vectors[::8], SENTENCES[:3]) == SENTENCES[:3]


def test_where_the_true_words_are_given_even_a_wrong_picture_has_many_words_right(tmp_path):
    model, vectors = learned(tmp_path)
    wrong = model.predict(vectors[8:9])[0]
    assert wrong != SENTENCES[2]
    forced = teacher_forced(model, vectors[8:9], SENTENCES[2:3])[0]
    assert np.mean([a == b for a, b in zip(forced, SENTENCES[2], strict=False)]) >= 0.5


def test_the_memory_takes_in_the_picture_and_then_keeps_it_whatever_is_read():
    network = network_of(12, hidden=40, memory=15)
    seen, (_, cells) = network.start(torch.randn(30, 6))
    assert cells[0, :, 1:15].std(dim=0).min() > 0.05  # it differs from picture to picture
    state = network.start(torch.randn(30, 6))[1]
    state = (state[0], cells)
    for word in (4, 7, 9, 5):
        _, state = network.step(torch.full((30,), word), seen, state)
    kept = [np.corrcoef(cells[0, :, k].detach(), state[1][0, :, k].detach())[0, 1] for k in range(1, 40)]
    assert min(kept[:14]) > 0.99
    assert np.mean(kept[14:]) < 0.9  # the other cells forget


def test_the_picture_s_share_falls_from_one_to_nothing_and_the_trained_network_has_it_once(tmp_path, monkeypatch):
    assert [remaining(share) for share in (0.0, FADING[0], FADING[1], 1.0)] == [1, 1, 0, 0]
    assert remaining(sum(FADING) / 2) == pytest.approx(0.5)
    shares = []

    class Watched(FadingPictures):
        def batch(self, index, generator):
            found = super().batch(index, generator)
            shares.append(self.network.share)
            return found

    monkeypatch.setattr(show_and_tell, "FadingPictures", Watched)
    model, vectors = learned(tmp_path, 10)
    assert shares == sorted(shares, reverse=True)
    assert shares.count(1.0) == 4  # of ten steps: those at 0, .1, .2 and .3
    assert shares.count(0.0) == 3  # at .7, .8 and .9
    assert model.network.share == 0
    kept = train(run_of(tmp_path), vectors, [[SENTENCES[0]]] * len(vectors), 1, fade=False, share=1.0)
    assert kept.network.share == 1
    assert len(shares) == 10


def test_next_words_are_those_of_greedy_search_with_their_probabilities(tmp_path):
    model, vectors = learned(tmp_path)
    steps = next_words(model, vectors[0], most=2)
    assert [following[0][0] for _, following in steps] == [*SENTENCES[0], MARKS[END]]
    assert [word for word, _ in steps] == [MARKS[BEGIN], *SENTENCES[0]]
    assert all(1 >= best > second for _, ((_, best), (_, second)) in steps)


def test_unknown_words_are_learned_as_unknown_and_never_said():
    vocabulary = Vocabulary.of(SENTENCES, least=2)
    data = CaptionedVectors.of(torch.zeros(1, 6), [("a", "purple", "boot")], vocabulary)
    assert data.words[0].tolist()[2] == UNKNOWN
    assert (
        "<unknown>" not in Captioner(network_of(len(vocabulary)), vocabulary).predict(np.zeros((1, 6), np.float32))[0]
    )


def test_bad_input_is_a_problem():
    vocabulary = Vocabulary.of(SENTENCES)
    model = Captioner(network_of(len(vocabulary)), vocabulary)
    with pytest.raises(Problem, match="6 numbers"):
        model.predict(np.zeros((2, 5), np.float32))
    with pytest.raises(Problem, match="without words"):
        CaptionedVectors.of(torch.zeros(1, 6), [()], vocabulary)
    with pytest.raises(Problem, match="2 pictures but"):
        CaptionBatches.of(torch.zeros(2, 6), [SENTENCES], vocabulary)


def test_a_sentence_longer_than_any_in_training_ends(tmp_path):
    vocabulary = Vocabulary.of(SENTENCES)
    network = network_of(len(vocabulary))
    with torch.no_grad():
        network.score.bias[END] = -50.0
    assert len(Captioner(network, vocabulary).predict(np.zeros((1, 6), np.float32))[0]) == 30


def test_a_batch_draws_from_each_picture_s_own_sentences():
    vocabulary = Vocabulary.of(SENTENCES)
    batches = CaptionBatches.of(torch.arange(2.0)[:, None], [SENTENCES[:2], SENTENCES[2:]], vocabulary)
    found = set()
    for seed in range(20):
        (data,) = batches.batch(torch.tensor([1, 0]), torch.Generator().manual_seed(seed))
        for vector, words in zip(data.vectors.tolist(), data.words.tolist(), strict=True):
            found.add((int(vector[0]), vocabulary.decode(words)))
    assert found == {(k, own) for k in (0, 1) for own in SENTENCES[2 * k : 2 * k + 2]}


def test_true_contents_put_into_the_template_are_true_captions():
    part = regioned(40, (1, 3)).part
    judged = judge_captions(fill_template(true_contents(part), 0), part)
    assert judged[SLOTS].min() == 100
    assert judged[EXACT].min() == 100
