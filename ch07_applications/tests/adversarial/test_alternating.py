"""The alternating loop: which weights change when, detached fakes, the average, resuming, and diverging losses."""

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ch07_applications.adversarial.alternating import AdversarialTraining, Optimisers, detached, follow, frozen
from common.errors import LossNotFinite, Problem


@dataclass
class Points:
    """Real points on a line, and noise: a batch is (noise, real)."""

    real: torch.Tensor

    def __len__(self):
        return len(self.real)

    def batch(self, index, generator):
        return torch.randn((len(index), 2), generator=generator), self.real[index]


def make(generator, noise, real):
    return generator(noise)


def fool(discriminator, fakes, noise, real):
    logits = discriminator(fakes)
    return cross_entropy(logits, torch.ones_like(logits))


def judge(discriminator, fakes, noise, real):
    true, false = discriminator(real), discriminator(fakes)
    return cross_entropy(true, torch.ones_like(true)) + cross_entropy(false, torch.zeros_like(false))


def imitate(fakes, noise, real):
    return (fakes.mean(dim=0) - real.mean(dim=0)).square().mean()


def points(n=48):
    return Points(3 + 0.5 * torch.randn((n, 2), generator=torch.Generator().manual_seed(5)))


def players(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        discriminator = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.1), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    return generator, discriminator


def training(**changes):
    return replace(AdversarialTraining(3, make, fool, judge, batch_size=16, learning_rate=0.01, half=False), **changes)


def states(*networks):
    return [value.clone() for network in networks for value in network.state_dict().values()]


def same(a, b):
    return all(torch.equal(*both) for both in zip(a, b, strict=True))


# --- Steps ------------------------------------------------------------------------------------------------------------


def test_each_player_moves_in_its_own_step_alone():
    generator, discriminator = players()
    seen = []

    def watched_judge(network, fakes, *batch):
        seen.append(("judge", fakes.requires_grad, states(generator, discriminator)))
        return judge(network, fakes, *batch)

    def watched_fool(network, fakes, *batch):
        flags = [weight.requires_grad for weight in network.parameters()]
        gradients = [weight.grad is not None for weight in generator.parameters()]
        seen.append(("fool", fakes.requires_grad, states(generator, discriminator), flags, gradients))
        return fool(network, fakes, *batch)

    training(epochs=1, judge=watched_judge, fool=watched_fool)(generator, discriminator, points(16))
    (_, detached_, before), (_, attached, between, flags, gradients) = seen
    assert not detached_
    assert attached
    n = len(generator.state_dict())
    assert same(before[:n], between[:n])  # the generator is unchanged by the discriminator's step
    assert not any(gradients)  # and got no gradient
    assert not same(before[n:], between[n:])
    assert not any(flags)
    after = states(generator, discriminator)
    assert same(between[n:], after[n:])  # the discriminator is unchanged by the generator's step
    assert not same(between[:n], after[:n])
    assert all(weight.requires_grad for weight in discriminator.parameters())


def test_the_generator_s_step_leaves_no_gradient_in_the_discriminator():
    generator, discriminator = players()
    kept = []
    real = Optimisers.descend

    def noted(self, which, loss):
        value = real(self, which, loss)
        kept.append([weight.grad.clone() for weight in discriminator.parameters()])
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Optimisers, "descend", noted)
        training(epochs=1)(generator, discriminator, points(16))
    assert same(*kept)


def test_one_step_is_the_one_written_out():
    """The discriminator first, by plain SGD, then the generator through the new discriminator."""
    data = points(16)
    how = training(epochs=1, optimiser=torch.optim.SGD, learning_rate=0.1, discriminator_rate=0.2)
    batches = []
    real = Points.batch

    def noted(self, index, random):
        batches.append(real(self, index, random))
        return batches[-1]

    generator, discriminator = players()[0], nn.Sequential(nn.Linear(2, 1))  # without dropout
    ours = copy.deepcopy((generator, discriminator))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Points, "batch", noted)
        how(*ours, data)
    (noise, real_points) = batches[0]
    fakes = generator(noise)
    judge(discriminator, fakes.detach(), noise, real_points).backward()
    with torch.no_grad():
        for weight in discriminator.parameters():
            weight -= 0.2 * weight.grad
    gradients = torch.autograd.grad(fool(discriminator, fakes, noise, real_points), list(generator.parameters()))
    with torch.no_grad():
        for weight, gradient in zip(generator.parameters(), gradients, strict=True):
            weight -= 0.1 * gradient
    for mine, wanted in zip((*ours[0].parameters(), *ours[1].parameters()),
                            (*generator.parameters(), *discriminator.parameters()), strict=True):  # fmt: skip
        assert torch.allclose(mine, wanted, atol=1e-6)


def test_frozen_layers_of_a_discriminator_stay_frozen():
    _, discriminator = players()
    discriminator[0].requires_grad_(False)
    with frozen(discriminator):
        assert not any(weight.requires_grad for weight in discriminator.parameters())
    assert [weight.requires_grad for weight in discriminator.parameters()] == [False, False, True, True]


def test_tuples_of_fakes_are_detached_one_by_one():
    x = torch.ones(3, requires_grad=True)
    assert not any(each.requires_grad for each in detached((2 * x, 3 * x)))
    assert not detached(x).requires_grad


def test_it_learns_where_the_real_points_are():
    generator, discriminator = players()
    training(epochs=60)(generator, discriminator, points())
    with torch.no_grad():
        assert generator(torch.randn((200, 2), generator=torch.Generator().manual_seed(1))).mean(dim=0).tolist() == (
            pytest.approx([3, 3], abs=1)
        )


# --- The average ------------------------------------------------------------------------------------------------------


def test_the_average_is_the_one_computed_by_hand():
    generator, discriminator = players()
    average, path = copy.deepcopy(generator), []
    first = generator[0].weight.detach().clone()
    real = follow

    def noted(mean, network, decay):
        real(mean, network, decay)
        path.append(network[0].weight.detach().clone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ch07_applications.adversarial.alternating.follow", noted)
        training(decay=0.7)(generator, discriminator, points(), average=average)
    wanted = first
    for weights in path:
        wanted = 0.7 * wanted + 0.3 * weights
    assert len(path) == 9
    assert torch.allclose(average[0].weight, wanted, atol=1e-6)
    assert torch.equal(average[1].running_mean, generator[1].running_mean)
    assert not torch.equal(average[0].weight, generator[0].weight)


# --- Pre-training, rates ----------------------------------------------------------------------------------------------


def test_pre_training_is_the_generator_s_alone():
    generator, discriminator = players()
    before = states(discriminator)
    history = training(epochs=0, pretraining=2, pretrain=imitate)(generator, discriminator, points())
    assert same(before, states(discriminator))
    assert (history.epochs, len(history.generator), len(history.discriminator)) == (2, 6, 0)
    assert history.generator[-1] < history.generator[0]
    history = training(epochs=1, pretraining=2, pretrain=imitate)(*players(), points())
    assert (history.epochs, len(history.generator), len(history.discriminator)) == (3, 9, 3)
    with pytest.raises(ValueError, match="needs a loss of its own"):
        training(pretraining=1)(generator, discriminator, points())


def test_rates_follow_the_schedule_from_their_peaks():
    rates = []
    real = Optimisers.descend

    def noted(self, which, loss):
        rates.append((which, self.each[which].param_groups[0]["lr"]))
        return real(self, which, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Optimisers, "descend", noted)
        how = training(epochs=2, discriminator_rate=0.04, schedule=lambda share: 1 - share)
        how(*players(), points(32))
    assert rates == [
        (which, pytest.approx(peak * (1 - step / 4))) for step in range(4) for which, peak in ((1, 0.04), (0, 0.01))
    ]


def test_every_epoch_draws_dropout_anew_and_a_seed_repeats_it():
    def masks(seed):
        drawn, dropout = [], nn.Dropout(0.5)

        def watched(discriminator, fakes, noise, real):
            drawn.append(dropout(torch.ones(64)))
            return judge(discriminator, fakes, noise, real)

        training(epochs=2, judge=watched)(*players(), points(16), seed)
        return drawn

    first, second = masks(0)
    assert not torch.equal(first, second)
    assert same(masks(0), [first, second])
    assert not torch.equal(masks(1)[0], first)


# --- Resuming, and losses that run away -------------------------------------------------------------------------------


class Stop(Exception):
    """The exception that ends a training in a test."""


def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path):
    whole = players()
    kept = copy.deepcopy(whole[0])
    how = training(epochs=4, pretraining=1, pretrain=imitate)
    history = how(*whole, points(), 7, kept)

    def stop(text):
        if text.startswith("epoch 3/"):
            raise Stop

    file, killed = tmp_path / "kept.pt", players()
    average = copy.deepcopy(killed[0])
    with pytest.raises(Stop):
        replace(how, checkpoint=file, say=stop)(*killed, points(), 7, average)  # stopped before the third is stored
    resumed = players(seed=3)  # other weights, which the checkpoint replaces
    average = copy.deepcopy(resumed[0])
    state = torch.random.get_rng_state()
    again = replace(how, checkpoint=file)(*resumed, points(), 7, average)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's random numbers are left alone
    assert same(states(*whole, kept), states(*resumed, average))
    assert again.generator == history.generator
    assert again.discriminator == history.discriminator
    assert not any(network.training for network in (*resumed, average))


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.02}, {"discriminator_rate": 0.02}, {"judge": fool}, {"decay": 0.5}, {"batch_size": 8}],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, change):
    how = training(epochs=1, checkpoint=tmp_path / "kept.pt")
    how(*players(), points())
    with pytest.raises(Problem, match="another training"):
        replace(how, **change)(*players(), points())
    with pytest.raises(Problem, match="other images"):
        how(*players(), Points(points().real + 1))


@pytest.mark.parametrize("which", ["fool", "judge"])
def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(which):
    good, bad = players(), players()
    training(epochs=1)(*good, points())
    calls, real = [], {"fool": fool, "judge": judge}[which]

    def runs_away(*args):
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) == 5 else 1.0)

    with pytest.raises(LossNotFinite, match="the loss is nan at step 5"):
        training(epochs=2, **{which: runs_away})(*bad, points())
    assert same(states(*good), states(*bad))
    assert not any(network.training for network in bad)
