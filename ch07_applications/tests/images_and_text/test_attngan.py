"""AttnGAN: attention over words against a loop and without padding, the stages, the losses, and training."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ch07_applications.adversarial.alternating import detached, frozen
from ch07_applications.blocks.counting import parameters_of
from ch07_applications.images_and_text import attngan
from ch07_applications.images_and_text.attngan import (
    ATTN,
    SENTENCE,
    UNMATCHED,
    Generator,
    WordAttention,
    describe_loss,
    fool_stages,
    judge_stages,
    learn_alone,
    learn_from_judges,
    make,
    recipe_of,
)
from ch07_applications.images_and_text.attngan_plans import PAPER, PaintedBatches, Plan, Recipe, Weights
from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.caption_painter import Painter
from ch07_applications.images_and_text.gated_blocks import Condition, Residual, Standard, block, enlarging
from ch07_applications.images_and_text.painting_steps import cycle, step_filters
from ch07_applications.images_and_text.sentence_discriminator import Discriminator
from ch07_applications.images_and_text.word_region_matching import matching_loss, pixels_of
from ch07_applications.tests.images_and_text.small_paintings import small_language, small_sets
from ch07_applications.tests.images_and_text.small_scenes import run_of
from common.errors import Problem

TINY = Plan((16, 32), width=4, judging=4, noise=3, condition=5)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def masked(lengths, longest):
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


# Attention, Eq. 2


def test_attention_is_the_mean_of_the_words_weighted_by_how_they_fit():
    attention, maps, words = WordAttention(6, 4), torch.randn(2, 4, 3, 2), torch.randn(2, 5, 6)
    lengths = (5, 2)
    found, weights = attention(maps, words, masked(lengths, 5))
    found, entered = found.detach(), attention.enter(words).detach()
    for n, length in enumerate(lengths):
        for y in range(3):
            for x in range(2):
                fits = [math.exp(float(maps[n, :, y, x] @ entered[n, i])) for i in range(length)]
                beta = [each / sum(fits) for each in fits]
                np.testing.assert_allclose(weights[n, :length, y, x].detach(), beta, rtol=1e-4)
                wanted = sum(share * entered[n, i] for i, share in enumerate(beta))
                torch.testing.assert_close(found[n, :, y, x], wanted)


def test_weights_sum_to_one_and_are_zero_on_padding_for_every_sample_of_a_mixed_batch():
    lengths = [7, 1, 4, 2, 6, 3]
    attention, mask = WordAttention(6, 4), masked(lengths, 7)
    _, weights = attention(torch.randn(6, 4, 5, 3), torch.randn(6, 7, 6), mask)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(6, 5, 3))
    for n, length in enumerate(lengths):
        assert (weights[n, length:] == 0).all()
        assert (weights[n, :length] > 0).all()


def test_a_sample_s_attention_is_its_own_whatever_stands_beside_and_behind_it():
    attention, lengths = WordAttention(6, 4), [7, 1, 4]
    maps, words, mask = torch.randn(3, 4, 5, 3), torch.randn(3, 7, 6), masked(lengths, 7)
    found, _ = attention(maps, words, mask)
    for n, length in enumerate(lengths):
        alone, _ = attention(maps[n : n + 1], words[n : n + 1, :length], mask[n : n + 1, :length])
        torch.testing.assert_close(found[n], alone[0])


def test_exchanging_two_words_exchanges_their_weights_and_changes_nothing_else():
    attention, maps, words, mask = WordAttention(6, 4), torch.randn(1, 4, 5, 3), torch.randn(1, 4, 6), masked([4], 4)
    found, weights = attention(maps, words, mask)
    order = [2, 1, 0, 3]
    again, moved = attention(maps, words[:, order], mask)
    torch.testing.assert_close(moved, weights[:, order])
    torch.testing.assert_close(again, found)


def test_swapped_colours_come_to_the_other_region():
    """Regions that query the first and the second thing, words that encode thing and colour."""
    attention = WordAttention(4, 4)
    with torch.no_grad():
        attention.enter.weight.copy_(torch.eye(4))
    maps = torch.zeros(1, 4, 1, 2)
    maps[0, 0, 0, 0] = maps[0, 1, 0, 1] = 40.0  # left queries the first thing, right the second
    red, blue = torch.tensor([0.0, 0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 1.0])
    first, second = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0, 0.0])
    for left, right in ((red, blue), (blue, red)):
        found, _ = attention(maps, torch.stack([first + left, second + right])[None], masked([2], 2))
        torch.testing.assert_close(found[0, 2:, 0, 0], left[2:], atol=1e-4, rtol=0)
        torch.testing.assert_close(found[0, 2:, 0, 1], right[2:], atol=1e-4, rtol=0)


# The generator


def described(n=6, plan=TINY):
    model, vocabulary = small_language()
    batches = PaintedBatches.of(small_sets().train, model, vocabulary, plan)
    return batches.batch(torch.arange(n), torch.Generator().manual_seed(0))


def test_stages_double_the_side_and_share_their_noise():
    generator, batch = Generator(TINY), described()
    with torch.no_grad():
        painted = generator(*batch[:4])
    assert [tuple(image.shape) for image in painted.images] == [(6, 3, 16, 16), (6, 3, 32, 32)]
    words = batch[1].shape[1]
    assert [tuple(weights.shape) for weights in painted.attention] == [(6, words, 16, 16)]
    assert all(float(image.abs().max()) <= 1 for image in painted.images)


def test_the_paper_s_sizes():
    """Counted by hand from the authors' layers: convolutions twice as wide as their outputs, scales and shifts."""

    def conv(inputs, outputs):
        return 9 * inputs * 2 * outputs + 2 * 2 * outputs

    condition = 256 * 400 + 400
    first = 200 * 512 * 16 * 2 + 2 * 512 * 16 * 2 + conv(512, 256) + conv(256, 128) + conv(128, 64) + conv(64, 32)
    residual = conv(64, 64) + 9 * 64 * 64 + 2 * 64
    stage = 256 * 32 + 2 * residual + conv(64, 32)
    with torch.device("meta"):
        generator = Generator(PAPER)
        assert parameters_of(generator) == condition + first + 2 * stage + 3 * 27 * 32 == 7_084_592
        words = torch.zeros(2, 5, 256), torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 256)
        images = generator(torch.zeros(2, 200), *words).images
    assert [image.shape[-1] for image in images] == [64, 128, 256]


def test_the_paper_s_discriminators_end_in_512_maps_of_4_by_4_cells():
    with torch.device("meta"):
        for side in PAPER.sides:
            judge = Discriminator(PAPER, side)
            assert judge.maps(torch.zeros(2, 3, side, side)).shape == (2, 512, 4, 4)
            assert judge.joint[0].in_channels == 512 + 256
            kinds = [type(layer) for layer in judge.maps if not isinstance(layer, nn.Sequential)]
            assert kinds[:2] == [nn.Conv2d, nn.LeakyReLU], "no BatchNorm at the input"


def test_a_gated_block_lets_through_what_its_other_half_says():
    layer = block(3, 2)
    maps = torch.randn(4, 3, 5, 5)
    both = layer[1](layer[0](maps))
    torch.testing.assert_close(layer(maps), both[:, :2] * torch.sigmoid(both[:, 2:]))
    doubled = enlarging(3, 2)[0](maps)
    torch.testing.assert_close(doubled[:, :, ::2, 1::2], maps)


def test_a_residual_block_that_adds_nothing_gives_its_input_back():
    layer, maps = Residual(4).eval(), torch.randn(2, 4, 5, 5)
    nn.init.zeros_(layer.added[1].weight)
    torch.testing.assert_close(layer(maps), maps)


def test_standard_vectors_have_mean_0_and_deviation_1_over_those_that_were_measured():
    standard, vectors = Standard(4), torch.randn(50, 4) * torch.tensor([1.0, 3.0, 0.2, 0.0]) + 5.0
    standard.measure(vectors)
    torch.testing.assert_close(standard(vectors).mean(dim=0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard(vectors).std(dim=0), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-4, rtol=0)
    other = torch.randn(2, 3, 4)
    torch.testing.assert_close(standard(other)[1, 2], standard(other[1, 2]), msg="whatever lies beside a vector")
    assert set(standard.state_dict()) == {"mean", "deviation"}, "kept with the weights"
    assert not list(standard.parameters())


def test_three_stages_attend_twice_and_their_pictures_double():
    generator = Generator(Plan((8, 16, 32), width=4, noise=3, condition=5))
    with torch.no_grad():
        painted = generator(*described()[:4])
    assert [image.shape[-1] for image in painted.images] == [8, 16, 32]
    assert [weights.shape[-1] for weights in painted.attention] == [8, 16]
    for weights in painted.attention:
        torch.testing.assert_close(weights.sum(dim=1), torch.ones_like(weights[:, 0]))


def test_without_attention_only_the_sentence_vector_counts():
    generator, (noise, words, there, whole, *_) = Generator(TINY, attentive=False).eval(), described()
    painted = generator(noise, words, there, whole)
    other = generator(noise, torch.randn_like(words), there, whole)
    torch.testing.assert_close(painted.images[-1], other.images[-1])
    assert (painted.attention[0] == 1).all()
    assert not torch.allclose(painted.images[-1], generator(noise, words, there, whole.roll(1, 0)).images[-1])
    assert parameters_of(generator) == parameters_of(Generator(TINY)), "the rival is as large"


def test_with_attention_words_count_and_padding_does_not():
    generator, (noise, words, there, whole, *_) = Generator(TINY).eval(), described()
    assert not there.all()
    first, last = generator(noise, words, there, whole).images
    behind = torch.where(there[..., None], words, torch.randn_like(words))
    torch.testing.assert_close(generator(noise, behind, there, whole).images[1], last)
    other = generator(noise, words.roll(1, 0), there.roll(1, 0), whole).images
    torch.testing.assert_close(other[0], first)
    assert not torch.allclose(other[1], last)


def test_the_condition_is_drawn_around_the_sentence():
    generator, (noise, words, there, whole, *_) = Generator(TINY).eval(), described(2)
    nn.init.zeros_(generator.condition.layers[0].weight)
    with torch.no_grad():  # μ = 0 and log σ² = −40 for all sentences: the gate is half open
        bias = generator.condition.layers[0].bias
        bias.zero_()
        bias[5:10] = -80.0
    mean, log_variance = generator.condition(whole)
    assert (mean == 0).all()
    assert (log_variance == -40).all()
    other = noise.clone()
    other[:, 3:] += 1.0
    torch.testing.assert_close(
        generator(other, words, there, whole).images[0], generator(noise, words, there, whole).images[0]
    )
    assert isinstance(generator.condition, Condition)


# The losses


def networks():
    return Generator(TINY), nn.ModuleList(Discriminator(TINY, side) for side in TINY.sides)


def test_the_discriminators_loss_is_equation_5_with_mismatched_sentences():
    generator, judges = networks()
    batch = list(described())
    batch[4] = torch.tensor([3, 5, 5, 2, 2, 3])  # 0, 2 and 4 get a sentence that states the same: no mismatch
    differs = torch.tensor([False, True, False, True, False, True])
    judges.eval()
    fakes, whole, total = make(generator, *batch), batch[3], 0.0
    ones, zeros = torch.ones(6), torch.zeros(6)
    for judge, real, fake in zip(judges, batch[5:], fakes[:2], strict=True):
        (alone, own), (made, with_made) = judge(real, whole), judge(fake, whole)
        wrong = judge(real, torch.cat([whole[-1:], whole[:-1]]))[1][differs]
        total += binary_cross_entropy_with_logits(alone, ones) / 2 + binary_cross_entropy_with_logits(made, zeros) / 2
        total += binary_cross_entropy_with_logits(own, ones) / 2
        total += binary_cross_entropy_with_logits(with_made, zeros) / 4
        total += binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong)) / 4
    torch.testing.assert_close(judge_stages(judges, fakes, *batch), total)


def test_the_generator_s_loss_is_made_of_equations_3_and_4_and_what_is_ours():
    generator, judges = networks()
    similarity, batch = small_language()[0], described()
    judges.eval()
    fakes = make(generator, *batch)
    weights = Weights(matching=0.7, picture=3.0, condition=0.2)
    _, words, there, whole, meanings, small, large = batch
    wanted = 0.7 * matching_loss(similarity.score(words, there, whole, fakes[1]), meanings)
    wanted = wanted + 3.0 * ((fakes[0] - small).square().mean() + (fakes[1] - large).square().mean())
    normal = torch.distributions.Normal
    around = normal(fakes[2], (fakes[3] / 2).exp())
    wanted = wanted + 0.2 * torch.distributions.kl_divergence(around, normal(0.0, 1.0)).mean()
    how = {"similarity": similarity, "weights": weights}
    torch.testing.assert_close(describe_loss(fakes, *batch, **how), wanted)
    for judge, fake in zip(judges, fakes[:2], strict=True):
        for logits in judge(fake, whole):
            wanted = wanted + binary_cross_entropy_with_logits(logits, torch.ones(6)) / 2
    torch.testing.assert_close(fool_stages(judges, fakes, *batch, **how), wanted)


def test_the_discriminators_step_leaves_the_generator_alone_and_the_other_way_round():
    generator, judges = networks()
    similarity, batch = small_language()[0], described()
    fakes = make(generator, *batch)
    judge_stages(judges, detached(fakes), *batch).backward()
    assert all(weight.grad is None for weight in generator.parameters())
    assert all(weight.grad is not None for weight in judges.parameters())
    judges.zero_grad()
    with frozen(judges):
        fool_stages(judges, fakes, *batch, similarity=similarity, weights=Weights()).backward()
    assert all(weight.grad is None for weight in judges.parameters())
    assert all(weight.grad is not None for weight in generator.parameters())
    assert all(weight.grad is None for weight in similarity.parameters()), "DAMSM stands still while G learns"


def test_damsm_s_loss_reaches_the_generator_through_the_last_picture():
    generator, batch = Generator(TINY), described()
    how = {"similarity": small_language()[0], "weights": Weights(matching=1.0, picture=0.0, condition=0.0)}
    describe_loss(make(generator, *batch), *batch, **how).backward()
    assert float(generator.images[1].weight.grad.abs().sum()) > 0
    assert float(generator.images[0].weight.grad.abs().sum()) == 0


# Batches, training, painting


def test_batches_hold_the_picture_at_every_side_and_a_caption_of_its_own():
    part, (model, vocabulary) = small_sets().train, small_language()
    batches = PaintedBatches.of(part, model, vocabulary, TINY)
    noise, words, there, whole, meanings, small, large = batches.batch(torch.tensor([7, 2]), torch.Generator())
    assert noise.shape == (2, 8)
    np.testing.assert_array_equal(meanings, part.meanings[[7, 2]])
    torch.testing.assert_close(large, pixels_of(part.images[[7, 2]]))
    torch.testing.assert_close(small, large.unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean(dim=(3, 5)))
    for row, item in enumerate((7, 2)):
        numbers, lengths = vocabulary.batch([caption.words for caption in part.captions[item]], marked=False)
        every, sentences = model.text(numbers, lengths)
        k = next(k for k in range(3) if torch.allclose(sentences[k], whole[row], atol=1e-5))
        assert int(there[row].sum()) == lengths[k]
        torch.testing.assert_close(words[row, : lengths[k]], every[k, : lengths[k]])


def test_hidden_filters_are_muon_s_and_what_makes_pictures_or_logits_is_not():
    generator, judges = networks()
    for network, outputs in (
        (generator, generator.images),
        (judges, [layer for one in judges for layer in (one.real, one.own)]),
    ):
        named = dict(network.named_parameters())
        groups = step_filters(list(named.values()), 0.1).param_groups
        filters = {id(weight) for group in groups if group["orthogonal"] for weight in group["params"]}
        last = {id(weight) for layer in outputs for weight in layer.parameters()}
        assert filters == {id(weight) for weight in named.values() if weight.ndim == 4} - last
        assert sum(len(group["params"]) for group in groups) == len(named)


def test_the_generator_measures_its_training_captions_and_the_average_knows_it(tmp_path):
    part, (model, vocabulary) = small_sets().train, small_language()
    painter = learn_alone(run_of(tmp_path), part, model, vocabulary, Recipe(1, 0, plan=TINY))
    sentences = PaintedBatches.of(part, model, vocabulary, TINY).sentences
    torch.testing.assert_close(painter.generator.word.mean, sentences.words[sentences.there].mean(dim=0))
    torch.testing.assert_close(painter.generator.sentence.deviation, sentences.whole.std(dim=0))


def test_no_discriminator_and_no_damsm_in_the_first_epochs(tmp_path, monkeypatch):
    part, (model, vocabulary) = small_sets().train, small_language()
    asked = []
    score = type(model).score
    monkeypatch.setattr(type(model), "score", lambda *args: asked.append(1) or score(*args))
    monkeypatch.setattr(Discriminator, "forward", lambda *args: pytest.fail("a discriminator was asked"))
    learn_alone(run_of(tmp_path), part, model, vocabulary, Recipe(1, plan=TINY))
    assert asked == []


def test_variants_differ_in_one_thing_and_begin_with_the_same_first_epochs(monkeypatch):
    run, sets, language = run_of(Path()), small_sets(), small_language()
    base, other, blind = (recipe_of(run, name) for name in (ATTN, UNMATCHED, SENTENCE))
    assert base.weights.matching > 0
    assert other == replace(base, weights=replace(base.weights, matching=0.0))
    assert blind == replace(base, attentive=False)
    asked = []

    def start(run, scenes, model, vocabulary, recipe):
        asked.append(recipe)
        return Painter(Generator(TINY, recipe.attentive), model, vocabulary)

    monkeypatch.setattr(attngan, "learn_alone", start)

    def go_on(run, painter, scenes, recipe):
        followed.append((painter, recipe))
        return painter

    monkeypatch.setattr(attngan, "learn_from_judges", go_on)
    early, followed = {}, []
    for name in (ATTN, SENTENCE, UNMATCHED):
        attngan.learn_to_paint(run, name, sets.train, language, early)
    assert [each.attentive for each in asked] == [True, False]
    assert followed == [(early[True], base), (early[False], blind), (early[True], other)]


@pytest.mark.parametrize("sides", [(16, 64), (12, 24), (4, 8), (32, 16)])
def test_sides_double_from_a_power_of_two(sides):
    with pytest.raises(ValueError, match="double from stage to stage"):
        Plan(sides)


def test_pictures_have_the_side_of_the_last_stage():
    with pytest.raises(ValueError, match="pictures of 32 pixels, but the last stage makes 16"):
        PaintedBatches.of(small_sets().train, *small_language(), Plan((8, 16)))


def test_captions_without_words_and_no_captions_are_refused():
    painter = Painter(Generator(TINY).eval(), *small_language())
    with pytest.raises(Problem, match="no captions"):
        painter.draw([])
    with pytest.raises(Problem, match="without words"):
        painter.draw([Caption((), ())])


def test_training_moves_the_generator_and_leaves_the_language_as_it_was(tmp_path):
    part, (model, vocabulary) = small_sets().train, small_language()
    before = copy.deepcopy(model.state_dict())
    recipe = Recipe(1, 1, plan=TINY)
    early = learn_alone(run_of(tmp_path), part, model, vocabulary, recipe)
    kept = copy.deepcopy(early.generator.state_dict())
    first, second = (learn_from_judges(run_of(tmp_path / each), early, part, recipe) for each in ("first", "second"))
    assert all(torch.equal(weights, kept[name]) for name, weights in early.generator.state_dict().items())
    again = learn_alone(run_of(tmp_path / "again"), part, model, vocabulary, recipe)
    assert all(torch.equal(weights, kept[name]) for name, weights in again.generator.state_dict().items())
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, before[name]), name
    np.testing.assert_array_equal(first.draw(part.inputs[:4]), second.draw(part.inputs[:4]))
    moved = [not torch.equal(weights, kept[name]) for name, weights in first.generator.named_parameters()]
    assert all(moved)
    assert not first.generator.training


def test_pictures_of_a_caption_depend_on_the_noise_and_not_on_the_others():
    part, painter = small_sets().test, Painter(Generator(TINY).eval(), *small_language())
    few = painter.draw(part.inputs[:3], seed=5)
    assert few.shape == (3, 32, 32, 3)
    assert (np.abs(painter.draw(part.inputs[:1], seed=5).astype(int) - few[:1]) <= 1).all()
    assert (painter.draw(part.inputs[:3], seed=6) != few).any()
    assert len(painter.parameters()) == len(list(painter.generator.parameters()))


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [cycle(share) for share in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert 0 < rates[0] < 0.1
    assert rates[-1] == pytest.approx(0)
    assert np.argmax(rates) == pytest.approx(10, abs=1)
