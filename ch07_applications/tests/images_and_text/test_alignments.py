"""Alignments: score and loss against loops, the recurrent network against PyTorch's, and rejected inputs."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.blocks.side_by_side import side_by_side
from ch07_applications.images_and_text import alignment_studies as studies
from ch07_applications.images_and_text import alignments as module
from ch07_applications.images_and_text.aligned_batches import AlignedBatches, Pairs
from ch07_applications.images_and_text.alignment_studies import BEST, MEAN
from ch07_applications.images_and_text.alignments import (
    Aligner,
    Alignment,
    RegionNetwork,
    WordNetwork,
    ranking_loss,
    score_pairs,
    train,
    words_there,
)
from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.retrieval import both_ways
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.tests.images_and_text.small_scenes import regioned, run_of
from common.errors import Problem


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# The score, Eqs. 7 and 8


@pytest.mark.parametrize("over", [BEST, MEAN])
def test_scores_are_those_of_a_loop_over_pictures_sentences_words_and_regions(over):
    regions, words, lengths = torch.randn(3, 4, 5), torch.randn(2, 6, 5), torch.tensor([6, 2])
    wanted = torch.zeros(3, 2)
    for k in range(3):
        for sentence in range(2):
            for t in range(lengths[sentence]):
                products = [float(words[sentence, t] @ regions[k, i]) for i in range(4)]
                wanted[k, sentence] += max(products) if over == BEST else sum(products) / 4
    there = words_there(torch.zeros(2, 6, dtype=torch.long), lengths)
    torch.testing.assert_close(score_pairs(regions, words, there, over), wanted)


def test_scores_do_not_depend_on_the_order_of_regions():
    regions, words, there = torch.randn(3, 7, 5), torch.randn(2, 6, 5), torch.ones(2, 6, dtype=torch.bool)
    moved = regions[:, torch.randperm(7)]
    torch.testing.assert_close(score_pairs(regions, words, there), score_pairs(moved, words, there))


def test_a_picture_without_regions_is_refused():
    with pytest.raises(Problem, match="without regions"):
        score_pairs(torch.zeros(2, 0, 5), torch.zeros(2, 3, 5), torch.ones(2, 3, dtype=torch.bool))


# The loss, Eq. 9


def test_the_loss_is_that_of_a_double_loop():
    scores = torch.randn(5, 5) * 2
    total = 0.0
    for k in range(5):
        for other in range(5):
            if other != k:
                total += max(0.0, float(scores[k, other] - scores[k, k]) + 1)
                total += max(0.0, float(scores[other, k] - scores[k, k]) + 1)
    assert float(ranking_loss(scores, torch.arange(5)[:, None])) == pytest.approx(total / 5, rel=1e-5)


def test_a_picture_with_a_sentence_equal_to_its_own_is_no_wrong_pair():
    scores = torch.randn(5, 5) * 2
    sentences = torch.tensor([[4, 5], [4, 6], [4, 5], [7, 5], [4, 6]])
    total = 0.0
    for k in range(5):
        for other in range(5):
            if sentences[other].tolist() != sentences[k].tolist():
                total += max(0.0, float(scores[k, other] - scores[k, k]) + 1)
                total += max(0.0, float(scores[other, k] - scores[k, k]) + 1)
    assert float(ranking_loss(scores, sentences)) == pytest.approx(total / 5, rel=1e-5)
    assert float(ranking_loss(scores, torch.zeros(5, 2, dtype=torch.long))) == 0


def test_no_loss_where_every_pair_is_ahead_by_the_margin():
    scores = torch.full((4, 4), 2.0) + torch.eye(4)
    each = torch.arange(4)[:, None]
    assert float(ranking_loss(scores, each)) == 0
    assert float(ranking_loss(scores - 0.1 * torch.eye(4), each)) == pytest.approx(6 * 0.1, rel=1e-4)


# The words, Eqs. 2 to 6


def test_words_are_those_of_torch_s_recurrent_network():
    network = WordNetwork(9, width=6, shared=5)
    numbers, lengths = torch.randint(9, (4, 7)), torch.tensor([7, 4, 1, 6])
    reference = nn.RNN(5, 5, nonlinearity="relu", batch_first=True, bidirectional=True)
    with torch.no_grad():
        for suffix, layer in (("", network.forth), ("_reverse", network.back)):
            getattr(reference, f"weight_ih_l0{suffix}").copy_(torch.eye(5))
            getattr(reference, f"bias_ih_l0{suffix}").zero_()
            getattr(reference, f"weight_hh_l0{suffix}").copy_(layer.weight)
            getattr(reference, f"bias_hh_l0{suffix}").copy_(layer.bias)
        entered = torch.relu(network.enter(network.embed(numbers)))
        packed = nn.utils.rnn.pack_padded_sequence(entered, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
        wanted = torch.relu(network.leave(states[..., :5] + states[..., 5:]))
        there = words_there(numbers, lengths)
        torch.testing.assert_close(network(numbers, lengths)[there], wanted[there])


def test_padding_changes_no_word():
    network, numbers = WordNetwork(9), torch.randint(9, (1, 5))
    lengths = torch.tensor([5])
    longer = torch.cat([numbers, torch.randint(9, (1, 4))], dim=1)
    torch.testing.assert_close(network(longer, lengths)[:, :5], network(numbers, lengths))


@pytest.mark.parametrize("context", [True, False])
def test_a_word_depends_on_its_neighbours_on_both_sides_if_it_has_context(context):
    network, numbers = WordNetwork(9, context=context), torch.tensor([[1, 2, 3, 4, 5]])
    lengths, first = torch.tensor([5]), None
    first = network(numbers, lengths)[0, 2]
    for place in (0, 4):
        other = numbers.clone()
        other[0, place] = 8
        assert torch.equal(network(other, lengths)[0, 2], first) != context


# The regions, Eq. 1


def test_a_region_depends_on_its_own_crop_and_on_its_place():
    network = RegionNetwork().eval()
    crops = torch.randint(256, (2, 3, 3, 32, 32), dtype=torch.uint8)
    places = torch.rand(2, 3, 4)
    with torch.no_grad():
        base = network(crops, places)
        other = crops.clone()
        other[0, 1] = 255 - other[0, 1]
        changed = (network(other, places) - base).abs().amax(dim=2) > 1e-4
        assert changed.tolist() == [[False, True, False], [False, False, False]]
        moved = places.clone()
        moved[1, 2, 0] += 0.3
        changed = (network(crops, moved) - base).abs().amax(dim=2) > 1e-4
        assert changed.tolist() == [[False, False, False], [False, False, True]]


# Batches and training


def batches(n=6):
    return AlignedBatches(
        torch.randint(256, (n, 7, 3, 32, 32), dtype=torch.uint8), torch.rand(n, 7, 4),
        torch.arange(n * 5 * 4).reshape(n, 5, 4), torch.full((n, 5), 4),
    )  # fmt: skip


def test_a_batch_has_one_caption_of_each_picture_and_the_whole_picture_as_it_is():
    data, index = batches(), torch.tensor([4, 1])
    drawn = set()
    for seed in range(30):
        pairs, sentences = data.batch(index, torch.Generator().manual_seed(seed))
        assert torch.equal(pairs.numbers, sentences)
        which = pairs.numbers[:, 0] // 4
        assert (which // 5).tolist() == index.tolist()
        drawn |= set((which % 5).tolist())
        assert torch.equal(pairs.crops[:, -1], data.crops[index, -1])
        assert torch.equal(pairs.places, data.places[index])
    assert drawn == {0, 1, 2, 3, 4}
    assert not torch.equal(pairs.crops[:, :-1], data.crops[index, :-1])


def test_pairs_are_sliced_as_one():
    pairs, _ = batches().batch(torch.arange(6), torch.Generator().manual_seed(0))
    half = pairs[1::2]
    for each in fields(Pairs):
        assert torch.equal(getattr(half, each.name), getattr(pairs, each.name)[1::2])


def test_training_gives_the_same_twice_and_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 6)
    run, scenes = run_of(tmp_path), regioned()
    first, second = (train(run, scenes.regions, scenes.part.captions, 4) for _ in range(2))
    np.testing.assert_array_equal(first.regions(scenes.regions), second.regions(scenes.regions))
    scores = first.scores(scenes.regions, scenes.captions)
    assert both_ways(scores, 3).mean() > 25, "of 24 scenes; chance is 12.5"


def model():
    vocabulary = Vocabulary.of([caption.words for captions in regioned().part.captions for caption in captions])
    return Alignment(Aligner(RegionNetwork(), len(vocabulary)).eval(), vocabulary)


def test_scores_are_sums_of_the_best_products():
    aligned, scenes = model(), regioned()
    scores = aligned.scores(scenes.regions, scenes.captions)
    products = aligned.products(scenes.regions, scenes.captions)
    np.testing.assert_allclose(scores.diagonal(), [float(p.amax(dim=1).sum()) for p in products], rtol=1e-4)
    assert [p.shape for p in products] == [(len(caption.words), 7) for caption in scenes.captions]


def captioned(*words):
    return Caption(words, (-1,) * len(words))


def test_unknown_words_and_captions_longer_than_any_in_training_are_scored():
    aligned, scenes = model(), regioned()
    strange = [captioned("a", "zebra"), captioned(*("a", "red", "boot") * 40), captioned("zebra")]
    scores = aligned.scores(scenes.regions, strange)
    assert scores.shape == (24, 3)
    assert np.isfinite(scores).all()


def test_an_empty_caption_is_refused():
    aligned, scenes = model(), regioned()
    with pytest.raises(Problem, match="without words"):
        aligned.scores(scenes.regions, [captioned("a"), captioned()])


def test_choices_are_made_of_what_they_say(tmp_path):
    """Each ablation changes one thing: the score, the words' context, or the regions."""
    made = []

    def recorded(run, regions, captions, epochs, over=BEST, context=True):
        made.append((over, context, regions.boxes.shape[1], regions.crops.shape[-1]))
        return train(run, regions, captions, 1, over=over, context=context)

    run, part = run_of(tmp_path), regioned(40).part
    trained = side_by_side(run, studies.short_trainings(run, part, recorded))
    studies.study_choices(run, module.PaperClaims(run), part.take(slice(20)), trained)
    assert made == [(BEST, True, 7, 32), (MEAN, True, 7, 32), (BEST, False, 7, 32), (BEST, True, 1, 80)]
