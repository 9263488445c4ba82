"""DCGAN: the published sizes, what the guidelines ask of the layers, the two losses, and how samples are drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import adaptive_max_pool2d, binary_cross_entropy_with_logits, logsigmoid

from ch07_applications.adversarial.alternating import AdversarialTraining
from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.synthesis import dcgan as module
from ch07_applications.synthesis import dcgan_recipes as recipes_of
from ch07_applications.synthesis.dcgan import (
    Discriminator,
    Gan,
    Generator,
    features_of,
    fool,
    judge,
    make,
    settle,
    train,
)
from ch07_applications.synthesis.dcgan_recipes import FULL, PAPER, RECIPE, SMALL, Plan, Recipe, recipe_with
from ch07_applications.synthesis.fashion_parts import images_of, pixels_of, uniform_noise
from ch07_applications.tests.synthesis.small_runs import run_of

TINY = Plan(widths=(16, 8, 8), latent=5)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(n=24):
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28)).astype(np.uint8)


# The published networks


def test_the_sizes_that_are_published():
    with torch.device("meta"):
        assert parameters_of(Generator(FULL)) == 3_576_704
        assert parameters_of(Discriminator(FULL)) == 2_765_568
        assert parameters_of(Generator(PAPER)) == 12_658_432


def test_the_paper_s_generator_doubles_from_4_to_64_pixels():
    with torch.device("meta"):
        network = Generator(PAPER)
    noise = torch.zeros(1, 100, device="meta")
    sides, x = [], noise[:, :, None, None]
    for layer in network.layers:
        x = layer(x)
        if isinstance(layer, nn.ConvTranspose2d):
            sides.append((x.shape[1], x.shape[2]))
    assert sides == [(1024, 4), (512, 8), (256, 16), (128, 32), (3, 64)]
    assert network(noise).shape == (1, 3, 64, 64)


def test_the_discriminator_halves_from_32_to_4_pixels_without_pooling():
    with torch.device("meta"):
        layers = layers_of(Discriminator(SMALL), (1, 32, 32))
    assert [layer.map for layer in layers if layer.kind == "Conv2d"] == [
        (32, 16, 16),
        (64, 8, 8),
        (128, 4, 4),
        (1, 1, 1),
    ]
    assert not [layer for layer in layers if "Pool" in layer.kind or layer.kind == "Linear"]


# The guidelines


def test_batchnorm_is_everywhere_but_at_the_generator_s_output_and_the_discriminator_s_input():
    generator, discriminator = Generator(SMALL), Discriminator(SMALL)
    kinds = [type(layer) for layer in generator.layers]
    assert kinds[-2:] == [nn.ConvTranspose2d, nn.Tanh]
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.ConvTranspose2d) - 1
    norms = [any(isinstance(layer, nn.BatchNorm2d) for layer in stage) for stage in discriminator.stages]
    assert norms == [False, True, True]
    for layer in (*generator.modules(), *discriminator.modules()):
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.eps == 1e-5, "0.8, as in some ports, is no small number"


def test_weights_start_with_a_deviation_of_a_fiftieth():
    for network in (Generator(SMALL), Discriminator(SMALL)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


def coverage(kernel):
    """The number of inputs that affect each output of a doubling layer."""
    layer = module.doubling(Plan(kernel=kernel), 1, 1)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        return layer(torch.ones(1, 1, 8, 8))[0, 0, 2:-2, 2:-2]


def test_a_kernel_of_4_covers_evenly_and_one_of_3_in_a_checkerboard():
    assert coverage(4).unique().tolist() == [4]
    assert coverage(3).unique().tolist() == [1, 2, 4]


def test_variants_differ_in_what_their_name_says():
    recipes = {name: recipe_with(name, 7) for name in recipes_of.CHANGES}
    base = recipes[recipes_of.BASE]
    assert base == replace(RECIPE, steps=7)
    assert base.momentum == 0.5
    assert recipes[recipes_of.PLAIN].plan == replace(SMALL, normalised=False)
    assert recipes[recipes_of.MOMENTUM] == replace(base, momentum=0.9)
    assert recipes[recipes_of.RELU].plan == replace(SMALL, slope=0.0)
    assert recipes[recipes_of.SMALL_KERNELS].plan == replace(SMALL, kernel=3)


# The losses


def test_the_losses_are_cross_entropies():
    discriminator, fakes, real = Discriminator(TINY).eval(), torch.rand(6, 1, 32, 32), torch.rand(6, 1, 32, 32)
    noise = torch.rand(6, 5)
    on_real, on_fakes = discriminator(real), discriminator(fakes)
    wanted = binary_cross_entropy_with_logits(on_real, torch.ones(6)) + binary_cross_entropy_with_logits(
        on_fakes, torch.zeros(6)
    )
    torch.testing.assert_close(judge(discriminator, fakes, noise, real), wanted)
    torch.testing.assert_close(fool(discriminator, fakes, noise, real), -logsigmoid(on_fakes).mean())


def test_real_and_made_images_do_not_share_a_batch_of_batchnorm():
    discriminator, real = Discriminator(TINY).train(), torch.rand(6, 1, 32, 32)
    seen = []
    discriminator.last.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0].detach().clone()))
    for fakes in (torch.rand(6, 1, 32, 32), 1 - torch.rand(6, 1, 32, 32).round()):
        judge(discriminator, fakes, torch.rand(6, 5), real)
    on_real = [maps for maps in seen if len(maps) == 6][0::2]
    torch.testing.assert_close(on_real[0], on_real[1])


def test_the_generator_s_gradient_does_not_vanish_before_a_sure_discriminator():
    class Sure(nn.Module):
        def forward(self, fakes):
            return logits

    logits, pixels = torch.full((4,), -12.0, requires_grad=True), torch.zeros(4, 1, 8, 8)
    fool(Sure(), pixels, torch.zeros(4, 5), pixels).backward()
    assert float(logits.grad.abs().sum()) > 0.99, "that of log(1 − D) would be 6e-6"


# Images and samples


def test_images_come_back_from_pixels_and_have_the_range_of_tanh():
    pixels = pixels_of(images())
    np.testing.assert_array_equal(images_of(pixels), images())
    assert pixels.shape == (24, 1, 32, 32)
    assert (float(pixels.min()), float(pixels.max())) == (-1, 1)
    assert (pixels[:, :, :2] == -1).all()


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 32, 32), np.uint8), np.zeros((2, 28, 28)), np.zeros((28, 28), np.uint8)]
)
def test_other_images_are_refused(wrong):
    with pytest.raises(ValueError, match="uint8"):
        pixels_of(wrong)


def gan(plan=TINY):
    generator = Generator(plan)
    settle(generator, uniform_noise(200, plan.latent, torch.Generator().manual_seed(0)))
    return Gan(generator, Discriminator(plan), plan.latent)


def test_noise_is_uniform_from_minus_one_to_one():
    noise = uniform_noise(1000, 7, torch.Generator().manual_seed(0))
    assert noise.shape == (1000, 7)
    assert -1 <= float(noise.min()) < -0.99
    assert float(noise.std()) == pytest.approx(3**-0.5, rel=0.02)


def test_a_sample_depends_on_its_own_noise_alone():
    drawing, noise = gan(), uniform_noise(9, 5, torch.Generator().manual_seed(1))
    assert (np.abs(drawing.draw(noise)[:1].astype(int) - drawing.draw(noise[:1])) <= 1).all()
    a, b = (drawing.sample(3, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_settled_statistics_are_those_of_the_generator_s_own_maps():
    generator, noise = Generator(TINY), uniform_noise(300, 5, torch.Generator().manual_seed(2))
    with torch.no_grad():  # as if training had left other means
        for layer in generator.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.fill_(5.0)
    settle(generator, noise)
    first = generator.layers[0](noise[:, :, None, None]).detach()
    torch.testing.assert_close(generator.layers[1].running_mean, first.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(generator.layers[1].running_var, first.var(dim=(0, 2, 3)), rtol=1e-3, atol=1e-6)
    assert not generator.training


def test_features_are_the_maxima_of_4_by_4_cells_of_every_stage():
    discriminator, batch = Discriminator(TINY).eval(), images(3)
    maps = discriminator.maps(pixels_of(batch))
    assert [tuple(each.shape[1:]) for each in maps] == [(8, 16, 16), (8, 8, 8), (16, 4, 4)]
    wanted = torch.cat([adaptive_max_pool2d(each, 4).flatten(1) for each in maps], dim=1)
    np.testing.assert_allclose(features_of(discriminator, batch), wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert wanted.shape[1] == 16 * (8 + 8 + 16)


def test_training_gives_the_same_twice_and_changes_both(tmp_path):
    run = run_of("synthesis/dcgan", tmp_path)
    recipe = Recipe(plan=TINY, steps=4, batch_size=12)
    first, second = (train(run, images(), recipe) for _ in range(2))
    noise = uniform_noise(4, 5, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(first.draw(noise), second.draw(noise))
    torch.manual_seed(run.seed)
    untouched = Generator(TINY), Discriminator(TINY)
    for network, before in zip((first.generator, first.discriminator), untouched, strict=True):
        moved = [not torch.equal(a, b) for a, b in zip(network.parameters(), before.parameters(), strict=True)]
        assert all(moved)
    assert make(first.generator, noise, torch.zeros(4, 1, 32, 32)).shape == (4, 1, 32, 32)


def test_a_killed_training_goes_on_to_the_same_generator(tmp_path, monkeypatch):
    recipe, noise = (
        Recipe(plan=TINY, steps=8, batch_size=12),
        uniform_noise(4, 5, torch.Generator().manual_seed(0)),
    )
    whole = train(run_of("synthesis/dcgan", tmp_path / "a"), images(), recipe, "gan").draw(noise)
    run, step, steps = run_of("synthesis/dcgan", tmp_path / "b"), AdversarialTraining._step, []

    def dying(*inputs):
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return step(*inputs)

    with monkeypatch.context() as patched:
        patched.setattr(AdversarialTraining, "_step", dying)
        with pytest.raises(KeyboardInterrupt):
            train(run, images(), recipe, "gan")
    np.testing.assert_array_equal(train(run, images(), recipe, "gan").draw(noise), whole)
