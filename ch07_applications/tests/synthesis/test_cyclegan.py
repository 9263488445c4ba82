"""CycleGAN: published sizes, receptive fields, the pool, the losses, which networks each trains, and resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.adversarial.alternating import AdversarialTraining
from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.synthesis import cyclegan as module
from ch07_applications.synthesis.cyclegan import (
    NAMES,
    TO_GREY,
    TO_STRIPED,
    CycleGan,
    Discriminator,
    Generator,
    falling,
    fool,
    judge,
    make,
    train,
)
from ch07_applications.synthesis.cyclegan_plans import ALONE, CYCLEGAN, NEITHER, PAPER, RECIPE, SMALL, VARIANTS, Plan
from ch07_applications.synthesis.image_pool import Pool
from ch07_applications.synthesis.striped_clothes import UnpairedBatches
from ch07_applications.tests.synthesis.small_runs import run_of
from common.errors import LossNotFinite

TINY = Plan(widths=(4, 8), blocks=1, judges=(4, 8))
QUICK = replace(RECIPE, plan=TINY, steps=6, batch_size=4)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(n=3, side=32):
    return 2 * torch.rand(n, 1, side, side) - 1


def players(generator=Generator, plan=TINY):
    return [nn.ModuleDict({name: network(plan) for name in NAMES}) for network in (generator, Discriminator)]


# The published networks


def test_the_sizes_that_are_published():
    with torch.device("meta"):
        assert parameters_of(Generator(PAPER)) == 11_378_179
        assert parameters_of(Discriminator(PAPER)) == 2_764_737
        assert Generator(PAPER)(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 256, 256)
        assert Discriminator(PAPER)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_the_paper_s_generator_has_two_halvings_nine_blocks_and_two_doublings():
    with torch.device("meta"):
        layers = [layer for layer in layers_of(Generator(PAPER), (3, 256, 256)) if layer.kind.startswith("Conv")]
    maps = [layer.map for layer in layers]
    assert maps[:3] == [(64, 256, 256), (128, 128, 128), (256, 64, 64)]
    assert maps[3:-3] == [(256, 64, 64)] * 18
    assert maps[-3:] == [(128, 128, 128), (64, 256, 256), (3, 256, 256)]


def reach(network, side):
    """The number of input columns that change the middle score; 0 if none does."""
    x = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    found = network(x)
    found[0, 0, found.shape[2] // 2, found.shape[3] // 2].backward()
    moved = x.grad.abs().sum(dim=(0, 1, 2)) > 0
    return int(moved.sum()), found.shape[2:]


def bare(strides):
    """The published widths at a hundredth, with other strides: no norm, which would mix all pixels."""
    widths, layers = (1, 2, 4, 8), []
    for inputs, outputs, stride in zip((3, *widths), widths, strides, strict=False):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8, 1, 4, padding=1)).double()


def test_a_score_sees_70_by_70_pixels():
    network = Discriminator(replace(PAPER, judges=(4, 4, 8, 8))).double()
    network.layers = nn.Sequential(*(each for each in network.layers if not isinstance(each, nn.InstanceNorm2d)))
    nn.init.constant_(network.layers[0].bias, 1.0)
    assert reach(network, 256) == (70, (30, 30))


def test_four_strides_have_as_many_parameters_and_are_another_network():
    right, wrong = bare((2, 2, 2, 1)), bare((2, 2, 2, 2))
    assert parameters_of(right) == parameters_of(wrong)
    assert reach(right, 256) == (70, (30, 30))
    assert reach(wrong, 256)[0] == 94
    assert reach(wrong, 256)[1] != (30, 30)


def test_a_perturbation_reaches_as_far_as_the_gradient_says():
    network, x = bare((2, 2, 2, 1)), torch.rand(1, 3, 256, 256, dtype=torch.float64)
    with torch.no_grad():
        before, moved = network(x)[0, 0, 15, 15], []
        for column in range(256):
            other = x.clone()
            other[..., column] += 1
            moved.append(bool(network(other)[0, 0, 15, 15] != before))
    assert sum(moved) == 70


def test_the_small_discriminator_sees_16_pixels():
    network = Discriminator(replace(SMALL, channels=3)).double()
    network.layers = nn.Sequential(*(each for each in network.layers if not isinstance(each, nn.InstanceNorm2d)))
    assert reach(network, 32)[0] == 16


def test_instancenorm_has_no_running_statistics_and_no_weights_and_answers_alike_in_both_modes():
    for network in (Generator(PAPER), Generator(TINY), Discriminator(TINY)):
        norms = [layer for layer in network.modules() if isinstance(layer, nn.InstanceNorm2d)]
        assert norms
        assert not any(layer.track_running_stats or layer.affine for layer in norms)
    generator, x = Generator(TINY), images()
    torch.testing.assert_close(generator.train()(x), generator.eval()(x))
    torch.testing.assert_close(generator(x)[:1], generator(x[:1]))  # an image does not depend on its batch


def test_instancenorm_after_the_first_layer_takes_brightness_away():
    garment = torch.zeros(1, 1, 32, 32)
    garment[:, :, 8:24, 10:22] = 1.0
    bright, dark = 2 * garment - 1, 2 * 0.4 * garment - 1
    with torch.no_grad():
        lost, kept = (Generator(replace(TINY, first=first)) for first in (True, False))
        for network in (lost, kept):
            network.apply(lambda layer: isinstance(layer, nn.Conv2d) and nn.init.normal_(layer.weight, 0, 0.3))
        assert float((lost(bright) - lost(dark)).abs().max()) < 1e-2
        assert float((kept(bright) - kept(dark)).abs().max()) > 1e-1


# The pool


def test_the_pool_gives_back_what_comes_while_it_fills():
    pool, first = Pool(50, 1, 32), images(30)
    torch.testing.assert_close(pool(first), first)
    torch.testing.assert_close(pool.images[:30], first)
    more = images(20)
    torch.testing.assert_close(pool(more), more)
    assert int(pool.filled) == 50


def test_the_pool_gives_old_images_half_the_time_and_loses_none():
    pool, n, old = Pool(50, 1, 1), 0, 0
    for _ in range(300):
        fakes = torch.arange(n, n + 8.0).reshape(8, 1, 1, 1)
        before = set(pool.images.flatten().tolist()) if int(pool.filled) == 50 else None
        given = pool(fakes)
        if before is not None:
            mine = set(fakes.flatten().tolist())
            old += sum(each not in mine for each in given.flatten().tolist())
            assert set(given.flatten().tolist()) | set(pool.images.flatten().tolist()) == before | mine
        n += 8
    assert old / (8 * 293) == pytest.approx(0.5, abs=0.04)


def test_a_batch_larger_than_the_pool_passes_and_leaves_it_full():
    pool, fakes = Pool(5, 1, 1), torch.arange(12.0).reshape(12, 1, 1, 1)
    torch.testing.assert_close(pool(fakes), fakes)
    again = pool(fakes + 100)
    assert int(pool.filled) == 5
    assert int((again < 100).sum()) <= 5


def test_the_pool_is_kept_in_the_state_and_passes_no_gradient():
    pool, fakes = Pool(4, 1, 1), torch.ones(4, 1, 1, 1, requires_grad=True)
    assert not pool(fakes).requires_grad
    other = Pool(4, 1, 1)
    other.load_state_dict(pool.state_dict())
    assert torch.equal(other.images, pool.images)
    assert int(other.filled) == 4


# The losses


class Shift(nn.Module):
    """A generator that adds a number, which identifies its outputs."""

    def __init__(self, by=0.0):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(float(by)))

    def forward(self, x):
        return x + self.by


def shifts(striped=0.25, grey=-0.5):
    return nn.ModuleDict({TO_STRIPED: Shift(striped), TO_GREY: Shift(grey)})


class Constant(nn.Module):
    """A discriminator with one score for all images, and no pool."""

    def __init__(self, score):
        super().__init__()
        self.score, self.pool = score, nn.Identity()

    def forward(self, x):
        return torch.full((len(x), 1, 2, 2), self.score)


def constants(striped, grey):
    return nn.ModuleDict({TO_STRIPED: Constant(striped), TO_GREY: Constant(grey)})


def test_each_translation_comes_from_its_own_generator_and_domain():
    grey, striped = images(), images()
    made = make(shifts(), grey, striped, recipe=RECIPE)
    wanted = (grey + 0.25, striped - 0.5, grey - 0.25, striped - 0.25, striped + 0.25, grey - 0.5)
    for found, right in zip(made, wanted, strict=True):
        torch.testing.assert_close(found, right)


def test_the_generators_loss_is_the_formula():
    grey, striped, critics = images(), images(), constants(0.2, 0.7)
    published = replace(RECIPE, cycle=10.0, identity=5.0)
    made = make(shifts(), grey, striped, recipe=published)
    adversarial, cycle, identity = 0.8**2 + 0.3**2, 0.25 + 0.25, 0.25 + 0.5
    loss = float(fool(critics, made, grey, striped, recipe=published))
    assert loss == pytest.approx(adversarial + 10 * cycle + 5 * identity, rel=1e-5)
    for name, wanted in ((ALONE, adversarial + RECIPE.identity * identity), (NEITHER, adversarial)):
        made = make(shifts(), grey, striped, recipe=VARIANTS[name])
        assert float(fool(critics, made, grey, striped, recipe=VARIANTS[name])) == pytest.approx(wanted, rel=1e-5)


def test_the_identity_loss_is_of_the_target_domain():
    """‖G(y) − y‖, not ‖G(x) − y‖ nor ‖G(x) − x‖: with G and F that leave their targets alone it is 0."""

    class ToDark(nn.Module):
        def forward(self, x):
            return x.clamp(max=0.0)

    class ToBright(nn.Module):
        def forward(self, x):
            return x.clamp(min=0.0)

    bright, dark = images().abs(), -images().abs()
    generators = nn.ModuleDict({TO_STRIPED: ToDark(), TO_GREY: ToBright()})
    recipe = replace(RECIPE, cycle=0.0, identity=5.0)
    made = make(generators, bright, dark, recipe=recipe)
    assert float(fool(constants(1.0, 1.0), made, bright, dark, recipe=recipe)) == 0.0
    made = make(generators, dark, bright, recipe=recipe)
    assert float(fool(constants(1.0, 1.0), made, dark, bright, recipe=recipe)) > 1


def test_identities_have_no_cycle_loss():
    grey, striped = images(), images()
    made = make(shifts(0, 0), grey, striped, recipe=RECIPE)
    assert float(fool(constants(1.0, 1.0), made, grey, striped, recipe=RECIPE)) == 0.0


def test_the_discriminators_loss_is_the_formula():
    grey, striped = images(), images()
    made = make(shifts(), grey, striped, recipe=RECIPE)
    wanted = 0.5 * (0.8**2 + 0.2**2 + 0.3**2 + 0.7**2)
    assert float(judge(constants(0.2, 0.7), made, grey, striped)) == pytest.approx(wanted, rel=1e-5)


def test_each_discriminator_judges_its_own_domain():
    class Mean(Constant):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3))[:, None, None, None]

    critics = nn.ModuleDict({name: Mean(0.0) for name in NAMES})
    grey, striped = torch.full((2, 1, 8, 8), 0.1), torch.full((2, 1, 8, 8), 0.6)
    made = (torch.full_like(grey, 0.3), torch.full_like(grey, 0.9), grey, striped, striped, grey)
    wanted = 0.5 * ((0.6 - 1) ** 2 + 0.3**2 + (0.1 - 1) ** 2 + 0.9**2)
    assert float(judge(critics, made, grey, striped)) == pytest.approx(wanted, rel=1e-5)
    assert float(fool(critics, made, grey, striped, recipe=RECIPE)) == pytest.approx(0.7**2 + 0.1**2, rel=1e-5)


def test_discriminators_see_old_translations_and_generators_are_judged_on_new_ones():
    _, critics = players()
    grey, striped = images(), images()
    seen = []
    for name in NAMES:
        critics[name].pool.register_forward_hook(lambda pool, inputs, output: seen.append(len(output)))
    made = (grey, striped, grey, striped, striped, grey)
    judge(critics, made, grey, striped)
    assert seen == [3, 3]
    assert all(int(critics[name].pool.filled) == 3 for name in NAMES)
    fool(critics, made, grey, striped, recipe=RECIPE)
    assert seen == [3, 3]


def test_variants_differ_in_what_their_name_says_and_the_rate_falls_in_the_second_half():
    assert RECIPE.cycle > RECIPE.identity > 0
    assert VARIANTS[CYCLEGAN] == RECIPE
    assert VARIANTS[ALONE] == replace(RECIPE, cycle=0.0)
    assert VARIANTS[NEITHER] == replace(RECIPE, cycle=0.0, identity=0.0)
    assert [falling(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1, 1, 0.5, 0]
    assert len(Discriminator(SMALL).pool.images) == 50


# Training


def batches(n=12, m=12):
    return UnpairedBatches(images(n), images(m))


def test_no_player_gets_gradients_in_the_other_s_step(tmp_path, monkeypatch):
    seen = []
    real = module.judge

    def watched(discriminators, made, *batch):
        seen.append([fake.requires_grad for fake in made])
        return real(discriminators, made, *batch)

    monkeypatch.setattr(module, "judge", watched)
    train(run_of("synthesis/cyclegan", tmp_path), batches(), replace(QUICK, steps=3))
    assert len(seen) == 3
    assert not any(map(any, seen))


@pytest.mark.parametrize("name", VARIANTS)
def test_training_gives_the_same_twice_and_moves_every_weight_of_the_generators(tmp_path, name):
    recipe = replace(VARIANTS[name], plan=TINY, steps=3, batch_size=4)
    data, run = batches(), run_of("synthesis/cyclegan", tmp_path)
    first, second = (train(run, data, recipe) for _ in range(2))
    x = images()
    torch.manual_seed(run.seed)
    before = {each: Generator(TINY) for each in NAMES}
    for each in NAMES:
        torch.testing.assert_close(first.translate(each, x), second.translate(each, x), rtol=0, atol=0)
        pairs = zip(first.generators[each].parameters(), before[each].parameters(), strict=True)
        moved = [not torch.equal(a, b) for a, b in pairs if a.ndim > 1]
        assert all(moved)


def test_a_training_killed_at_any_step_goes_on_to_the_same_generators(tmp_path, monkeypatch):
    data, x = batches(), images()
    whole = train(run_of("synthesis/cyclegan", tmp_path / "a"), data, QUICK, "pair")
    run, step, steps = run_of("synthesis/cyclegan", tmp_path / "b"), AdversarialTraining._step, []
    killed = int(np.random.default_rng().integers(4, 7))  # in the second of two epochs of three steps

    def dying(*inputs):
        steps.append(1)
        if len(steps) == killed:
            raise KeyboardInterrupt
        return step(*inputs)

    with monkeypatch.context() as patched:
        patched.setattr(AdversarialTraining, "_step", dying)
        with pytest.raises(KeyboardInterrupt):
            train(run, data, QUICK, "pair")
    resumed = train(run, data, QUICK, "pair")
    for name in NAMES:
        torch.testing.assert_close(resumed.translate(name, x), whole.translate(name, x), rtol=0, atol=0)


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(tmp_path, monkeypatch):
    real, calls, kept = module.fool, [], []
    called = AdversarialTraining.__call__

    def runs_away(*args, recipe):
        calls.append(1)
        return real(*args, recipe=recipe) * (float("nan") if len(calls) == 5 else 1)

    def noted(self, generator, discriminator, *rest):
        kept.append(generator)
        return called(self, generator, discriminator, *rest)

    data = batches()
    monkeypatch.setattr(AdversarialTraining, "__call__", noted)
    train(run_of("synthesis/cyclegan", tmp_path), data, replace(QUICK, steps=6))
    monkeypatch.setattr(module, "fool", runs_away)
    with pytest.raises(LossNotFinite, match="step 5"):
        train(run_of("synthesis/cyclegan", tmp_path), data, replace(QUICK, steps=6))
    bad = kept[1]
    assert all(torch.isfinite(weight).all() for weight in bad.parameters())
    assert not bad.training


def test_domains_of_other_sizes_and_few_images_train(tmp_path):
    run = run_of("synthesis/cyclegan", tmp_path)
    for sizes in ((12, 5), (5, 12), (2, 2), (1, 1)):
        gan = train(run, batches(*sizes), replace(QUICK, steps=2, batch_size=8))
        assert torch.isfinite(gan.translate(TO_GREY, images())).all()


def test_translations_are_images_of_their_own_input():
    generators = nn.ModuleDict({name: Shift(0.5 if name == TO_STRIPED else 0.0) for name in NAMES})
    gan, pictures = CycleGan(generators), np.random.default_rng(0).integers(0, 150, (5, 28, 28)).astype(np.uint8)
    np.testing.assert_array_equal(gan.to_grey(pictures), pictures)
    np.testing.assert_allclose(gan.to_striped(pictures), pictures + 63.75, atol=0.51)
