"""The training loop against the same loop written out; killed and gone on; two processes against one; bad input."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.functional import cross_entropy

from common.errors import LossNotFinite, Problem
from common.image_classifier import LabelledImages
from common.muon import Muon
from common.train import Training, half_pays, load_weights, minibatches, one_cycle, rate_at
from tests.checkout import ROOT
from tests.common.small_training import (
    CLASSES,
    EPOCHS,
    EXACT,
    POSES,
    SIDE,
    SPLITS,
    accuracy,
    convolutional,
    images,
    linear,
    resumable,
    shared,
    together,
)
from tests.two_processes import run_as_two


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_same(a: nn.Module | dict, b: nn.Module | dict) -> None:
    """To the last bit."""
    a, b = (x.state_dict() if isinstance(x, nn.Module) else x for x in (a, b))
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


class Recorded(LabelledImages):
    """What it was asked for stays in `asked`."""

    def batch(self, index, generator):
        self.__dict__.setdefault("asked", []).append(index)
        return super().batch(index, generator)


# --- The loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimiser",
    [
        torch.optim.SGD,
        partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        partial(torch.optim.AdamW, weight_decay=0.1),
    ],
    ids=["SGD", "Nesterov", "AdamW"],
)
def test_a_training_is_the_loop_written_out(optimiser):
    data = Recorded(*vars(images(50)).values())
    network, twin = linear(), linear()
    history = Training(3, 0.1, batch_size=16, optimiser=optimiser, **EXACT)(network, data, seed=1)
    assert [len(index) for index in data.asked] == 3 * [16, 16, 16, 2]

    theirs, losses = optimiser(twin.parameters(), lr=0.1), []
    schedule = torch.optim.lr_scheduler.LambdaLR(theirs, lambda i: np.interp((i + 1) / 13, [0, 0.25, 1], [0, 1, 0]))
    for index in data.asked:
        theirs.zero_grad()
        loss = cross_entropy(twin(data.images[index]), data.labels[index])
        loss.backward()
        theirs.step()
        schedule.step()
        losses.append(loss.item())
    for ours, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert_allclose(ours.detach(), other.detach(), rtol=1e-5, atol=1e-6)
    assert_allclose(history.losses, losses, rtol=1e-5)
    assert history.epochs == 3
    assert history.rate > 0


@pytest.mark.parametrize("warm_up", [0.1, 0.25, 0.6])
def test_one_cycle_is_torchs_with_straight_lines(warm_up):
    steps = 40  # torch's peak is at pct_start · total − 1, its end at total − 1
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    share = (warm_up * steps + 1) / (steps + 1)
    lines = {"anneal_strategy": "linear", "cycle_momentum": False, "div_factor": 1e12}
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1.0, total_steps=steps + 1, pct_start=share, **lines)
    for step in range(steps):
        assert one_cycle(step / steps, warm_up) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-9)
        optimiser.step()
        schedule.step()
    assert one_cycle(1.0, warm_up) == 0


@pytest.mark.parametrize(("steps", "warm_up"), [(1, 0.25), (2, 0.25), (7, 0.15), (1000, 0.6), (10, 0.0), (10, 1.0)])
def test_every_step_of_the_cycle_moves_the_weights(steps, warm_up):
    rates = np.array([rate_at(step, steps, warm_up) for step in range(steps)])
    assert ((rates > 0) & (rates <= 1)).all()
    ends = [0, max(warm_up, 1e-9), 1], [0, 1, 1e-9 if warm_up == 1 else 0]
    assert_allclose(rates, np.interp(np.arange(1, steps + 1) / (steps + 1), *ends), atol=1e-7)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 200), size=st.integers(1, 60), seed=st.integers(0, 2**31))
def test_batches_are_a_partition_and_none_is_of_one(n, size, seed):
    batches = list(minibatches(n, size, torch.Generator().manual_seed(seed)))
    assert torch.cat(batches).sort().values.tolist() == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    last = len(batches[-1])
    if size == 1 or n == 1:
        assert last == 1
    else:
        assert 2 <= last <= size + 1


def test_every_epoch_has_an_order_of_its_own_and_the_seed_decides():
    def orders(seed):
        data = Recorded(*vars(images(20)).values())
        Training(3, batch_size=20, **EXACT)(linear(), data, seed)
        return [index.tolist() for index in data.asked]

    assert len({tuple(order) for order in orders(0)}) == 3
    assert orders(0) == orders(0)
    assert orders(0)[0] != orders(1)[0]


def test_groups_keep_peaks_of_their_own_and_what_is_in_none_stays():
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES))
    before, rates = state(network), []

    class Watched(torch.optim.SGD):
        def step(self):
            rates.append([group["lr"] for group in self.param_groups])
            super().step()

    def groups(network):
        return [{"params": network[1].parameters(), "lr": 0.01}, {"params": network[3].parameters()}]

    Training(2, 0.5, batch_size=25, optimiser=Watched, groups=groups, **EXACT)(network, images(50))
    assert_allclose(rates, np.outer([0.8, 0.8, 0.8 * 2 / 3, 0.8 / 3], [0.01, 0.5]))
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"1.weight", "1.bias", "3.weight", "3.bias"}


def test_frozen_weights_stay_and_a_loss_of_ones_own_is_given_outputs_and_targets():
    network, seen = linear(), []
    network[1].bias.requires_grad_(False)
    bias = network[1].bias.clone()

    def loss(outputs, labels):
        seen.append((tuple(outputs.shape), tuple(labels.shape)))
        return outputs.square().mean()

    training = Training(60, 0.1, batch_size=50, optimiser=torch.optim.Adam, loss=loss, **EXACT)
    losses = training(network, images(50)).losses
    assert torch.equal(network[1].bias, bias)
    assert losses[-1] < losses[0] / 5  # small outputs are wanted, whatever the labels
    assert set(seen) == {((50, CLASSES), (50,))}


def test_a_lesson_s_own_random_numbers_do_not_depend_on_a_training():
    torch.manual_seed(5)
    expected = torch.rand(3)
    network = convolutional()
    torch.manual_seed(5)
    Training(1, **EXACT)(network, images(20))
    assert torch.equal(torch.rand(3), expected)


def test_dropout_is_another_in_every_step_and_off_afterwards():
    network, masks = convolutional(), []
    network[4].register_forward_hook(lambda layer, given, out: masks.append((given[0] != 0) & (out == 0)))
    Training(2, batch_size=20, **EXACT)(network, images(20))
    assert not torch.equal(*masks)
    assert not network.training


def test_a_sum_and_its_count_are_divided_by_the_count_or_1():
    def mean(outputs, labels):
        return (outputs * (labels == 0)[:, None]).sum() / (labels == 0).sum().clamp(min=1)

    def pair(outputs, labels):
        return (outputs * (labels == 0)[:, None]).sum(), (labels == 0).sum()

    networks = linear(), linear()
    losses = [
        Training(2, 0.1, batch_size=3, loss=loss, **EXACT)(network, images(50)).losses
        for loss, network in zip((mean, pair), networks, strict=True)
    ]
    assert 0 in losses[0]  # a batch without any of class 0
    assert_allclose(*losses, rtol=1e-5, atol=1e-6)
    assert_allclose(networks[0][1].weight.detach(), networks[1][1].weight.detach(), rtol=1e-4, atol=1e-6)


# --- Sixteen bits -----------------------------------------------------------------------------------------------------


def test_sixteen_bits_learn_too():
    kinds, data = set(), images(200)
    network, exact = convolutional(), convolutional()
    network[0].register_forward_hook(lambda layer, given, out: kinds.add(out.dtype))
    history = Training(15, 0.02, batch_size=20, half=True)(network, data)
    Training(15, 0.02, batch_size=20, half=False)(exact, data)
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert accuracy(images(201))(network) > 0.9
    assert history.losses[-1] < 0.5 * history.losses[0]
    assert not torch.equal(network[0].weight, exact[0].weight)


@pytest.mark.parametrize(
    ("device", "can", "pays"),
    [
        ("cuda", {}, True),
        ("mps", {"avx512_bf16": True}, False),
        ("cpu", {"avx512_bf16": True}, True),
        ("cpu", {"avx512_bf16": False, "amx_bf16": True}, True),
        ("cpu", {"avx2": True}, False),
    ],
)
def test_sixteen_bits_pay_where_the_processor_multiplies_them(monkeypatch, device, can, pays):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    assert half_pays(torch.device(device)) is pays


def test_an_older_torch_cannot_say_and_trains_in_32_bits(monkeypatch):
    monkeypatch.setattr(torch, "cpu", SimpleNamespace())
    assert not half_pays(torch.device("cpu"))


# --- Validation -------------------------------------------------------------------------------------------------------


def test_early_stop_keeps_the_best_weights():
    scores, seen = iter([0.1, 0.5, 0.4, 0.3, 0.45, 0.9]), []

    def validate(network):
        seen.append(state(network))
        return next(scores)

    network = linear()
    history = Training(6, validate=validate, patience=3, **EXACT)(network, images())
    assert history.scores == [0.1, 0.5, 0.4, 0.3, 0.45]  # three epochs without a better one
    assert history.epochs == 5
    assert_same(network, seen[1])
    assert not torch.equal(seen[1]["1.weight"], seen[4]["1.weight"])


def test_without_patience_all_epochs_are_trained_and_the_best_is_kept():
    scores, seen = iter([0.5, 0.1, 0.2]), []
    network = linear()
    history = Training(3, validate=lambda n: seen.append(state(n)) or next(scores), **EXACT)(network, images())
    assert history.epochs == 3
    assert_same(network, seen[0])


def after(epochs: int) -> nn.Module:
    """A network after so many of six epochs."""
    network, score = linear(), iter(range(6))

    def stop(text):
        if text.startswith(f"epoch {epochs}/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Training(6, validate=lambda network: next(score), say=stop, **EXACT)(network, images())
    return network


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "best"),
    [
        ([np.nan, 0.5, 0.9, 0.1, 0.2, 0.3], None, 6, 3),
        ([0.5, np.nan, 0.4, np.nan, 0.3, 0.2], None, 6, 1),
        ([np.nan, np.nan, np.nan, 0.1, 0.9, 0.5], 2, 6, 5),  # nothing to be patient about before the first number
        ([0.5, np.nan, np.nan, 0.9, 0.9, 0.9], 2, 3, 1),
        ([np.inf, 0.5, 0.4, 0.1, 0.2, 0.3], 3, 5, 2),
        ([-np.inf, -3.0, np.nan, -2.0, -9.0, -8.0], None, 6, 4),
    ],
)
def test_the_best_epoch_is_one_whose_score_is_finite(scores, patience, epochs, best):
    given, network = iter(scores), linear()
    history = Training(6, validate=lambda network: next(given), patience=patience, **EXACT)(network, images())
    assert history.epochs == epochs
    assert_same(network, after(best))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_without_a_finite_score_it_says_so_and_leaves_the_last_weights(bad):
    network, seen = linear(), []
    training = Training(3, validate=lambda n: seen.append(state(n)) or bad, patience=1, **EXACT)
    with pytest.raises(Problem, match=f"no validation score of 3 epochs is finite.*{bad}") as caught:
        training(network, images())
    assert "\n" not in str(caught.value)
    assert_same(network, seen[2])
    assert not network.training


def test_gone_on_from_a_checkpoint_the_best_is_still_finite(tmp_path):
    scores, seen = iter([0.9, np.nan, 0.5, 0.4]), []

    def validate(network):
        seen.append(state(network))
        if len(seen) == 3 and (tmp_path / "kept").exists() and not (tmp_path / "cut").exists():
            (tmp_path / "cut").touch()
            seen.pop()
            raise KeyboardInterrupt
        return next(scores)

    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "kept", validate=validate)(linear(), images(50))
    network = linear()
    assert_allclose(
        resumable(tmp_path / "kept", validate=validate)(network, images(50)).scores, [0.9, np.nan, 0.5, 0.4]
    )
    assert_same(network, seen[0])


# --- A loss that runs away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_puts_the_weights_back(bad):
    seen, calls = [], iter(range(100))

    def loss(outputs, labels):
        return cross_entropy(outputs, labels) + (bad if next(calls) == 9 else 0)  # four steps an epoch: in the third

    network = convolutional()
    training = Training(5, 0.1, 16, loss=loss, validate=lambda n: seen.append(state(n)) or 1.0, **EXACT)
    with pytest.raises(LossNotFinite) as caught:
        training(network, images(50))
    assert caught.value.step == 10
    assert not np.isfinite(caught.value.loss)
    assert len(seen) == 2
    assert_same(network, seen[1])
    assert not network.training


def test_a_rate_that_is_too_large_is_one_problem_and_leaves_finite_weights():
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 50), nn.Linear(50, CLASSES))
    with pytest.raises(Problem, match=r"the loss is (inf|nan) at step \d+"):
        Training(20, 1e20, optimiser=torch.optim.SGD, **EXACT)(network, images())
    assert all(p.isfinite().all() for p in network.parameters())


# --- Killed, and gone on ----------------------------------------------------------------------------------------------


class Interrupted(LabelledImages):
    """Ctrl-C is pressed while batch number `at` is made."""

    def __init__(self, data: LabelledImages, at: int) -> None:
        super().__init__(**vars(data))
        self.left = at

    def batch(self, index, generator):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().batch(index, generator)


@pytest.fixture(scope="module")
def uninterrupted():
    """Network and history of a training that nobody disturbed, with augmentation, dropout, BatchNorm and AdamW."""
    network = convolutional()
    return network, resumable(validate=accuracy(images(60)))(network, images(50, POSES), seed=3)


@pytest.mark.parametrize("at", [0, 1, 3, 4, 7, 8, 13, 15])
def test_interrupted_at_any_batch_it_goes_on_to_the_same_weights(tmp_path, at, uninterrupted):
    data, training = images(50, POSES), resumable(tmp_path / "kept", validate=accuracy(images(60)))
    with pytest.raises(KeyboardInterrupt):
        training(convolutional(), Interrupted(data, at), seed=3)
    assert (tmp_path / "kept").exists() == (at >= 4)
    network = convolutional(seed=99 if at >= 4 else 0)  # what it started from is in the checkpoint
    history = training(network, data, seed=3)
    expected, whole = uninterrupted
    assert_same(network, expected)
    assert (history.losses, history.scores, history.epochs) == (whole.losses, whole.scores, EPOCHS)


@pytest.mark.parametrize("where", ["validation", "optimiser", "writing"])
def test_interrupted_elsewhere_too(tmp_path, where, uninterrupted, monkeypatch):
    score, calls = accuracy(images(60)), iter(range(1000))

    def press(at):
        if next(calls) == at:
            raise KeyboardInterrupt

    def validate(network):
        return press(2) or score(network)

    step = torch.optim.AdamW.step

    data, training = images(50, POSES), resumable(tmp_path / "kept", validate=score)
    broken = resumable(tmp_path / "kept", validate=validate if where == "validation" else score)
    with monkeypatch.context() as patch:
        if where == "optimiser":
            patch.setattr(torch.optim.AdamW, "step", lambda self: press(6) or step(self))
        elif where == "writing":
            patch.setattr("common.files.Path.replace", lambda *paths: press(0))
        with pytest.raises(KeyboardInterrupt):
            broken(convolutional(), data, seed=3)
    network = convolutional()
    training(network, data, seed=3)
    assert_same(network, uninterrupted[0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal there")
def test_killed_for_good_it_goes_on_to_the_same_weights(tmp_path, uninterrupted):
    program = [sys.executable, "-m", "tests.common.small_training", "killed", str(tmp_path / "kept")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline().startswith("epoch 1/4 · ")
        assert process.stdout.readline().startswith("epoch 2/4 · ")
        os.kill(process.pid, signal.SIGKILL)  # the checkpoint is being written, or the third epoch has begun
    assert process.returncode == -signal.SIGKILL
    assert load_weights(tmp_path / "kept")["history"]["epochs"] in {1, 2}
    network = convolutional()
    history = resumable(tmp_path / "kept", validate=accuracy(images(60)))(network, images(50, POSES), seed=3)
    assert_same(network, uninterrupted[0])
    assert history.losses == uninterrupted[1].losses


def test_a_training_that_was_done_is_not_done_again(tmp_path):
    scores = iter([0.3, 0.2, 0.1])
    training = resumable(tmp_path / "kept", validate=lambda network: next(scores), patience=2)
    network, again = convolutional(), convolutional(seed=99)
    first = training(network, images(50, POSES))
    assert first.epochs == 3  # of four: out of patience
    second = training(again, Interrupted(images(50, POSES), 0))
    assert_same(network, again)
    assert vars(first) == vars(second)


def scaled(outputs, labels, by):
    return by * cross_entropy(outputs, labels)


@pytest.mark.parametrize(
    ("rule", "change", "what"),
    [
        (Muon, {"optimiser": partial(Muon, momentum=0.9)}, "momentum of group 0 0.95, not 0.9"),
        (torch.optim.AdamW, {"loss": partial(scaled, by=3.0)}, "loss scaled"),
        (torch.optim.AdamW, {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "loss scaled"),
    ],
)
def test_settings_that_stand_elsewhere_are_seen_too(tmp_path, rule, change, what):
    settings = {"optimiser": rule, "loss": partial(scaled, by=2.0)}
    resumable(tmp_path / "kept", **settings)(linear(), images(50))
    resumable(tmp_path / "kept", **settings)(linear(), images(50))
    with pytest.raises(Problem, match=what):
        resumable(tmp_path / "kept", **{**settings, **change})(linear(), images(50))


@pytest.mark.parametrize("data", [lambda: images(50, POSES), lambda: Bare(images(50, POSES))])
def test_the_same_data_in_new_memory_is_the_same_training(tmp_path, data):
    first = resumable(tmp_path / "kept")(convolutional(), data())
    assert vars(resumable(tmp_path / "kept")(convolutional(), data())) == vars(first)


# --- Checkpoints that do not fit --------------------------------------------------------------------------------------


class Bare:
    """Batches that are no dataclass."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def batch(self, index, generator):
        return self.data.batch(index, generator)


def relabelled(data):
    """One label is another."""
    data.labels[17] = (data.labels[17] + 1) % CLASSES
    return data


def repainted(data):
    """One pixel is brighter."""
    data.images[31, 0, 2, 2] += 0.5
    return data


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("another network", {"network": linear}),
        ("seed 0, not 1", {"seed": 1}),
        ("batch_size 16, not 25", {"batch_size": 25}),
        ("epochs 4, not 5", {"epochs": 5}),
        ("learning_rate 0.05, not 0.1", {"learning_rate": 0.1}),
        ("images 50, not 40", {"n": 40}),
        ("optimiser AdamW, not SGD", {"optimiser": torch.optim.SGD}),
        ("groups 1, not 2", {"groups": lambda n: [{"params": [p]} for p in (n[0].weight, n[0].bias)]}),
        ("weights of group 0", {"groups": lambda n: [{"params": [n[0].weight]}]}),
        ("weight_decay of group 0 0.01, not 0.1", {"optimiser": partial(torch.optim.AdamW, weight_decay=0.1)}),
        ("betas of group 0", {"optimiser": partial(torch.optim.AdamW, betas=(0.5, 0.99))}),
        ("lr of group 0 0.05, not 0.01", {"groups": lambda n: [{"params": n.parameters(), "lr": 0.01}]}),
        ("half False, not True", {"half": True}),
        ("loss cross_entropy", {"loss": nn.functional.nll_loss}),
        ("loss cross_entropy", {"loss": partial(cross_entropy, label_smoothing=0.1)}),
        ("another network", {"network": lambda: nn.Sequential(*convolutional()[:2], nn.GELU(), *convolutional()[3:])}),
        ("other images, labels or augmentation", {"data": lambda: images(50, POSES)}),
        ("other images, labels or augmentation", {"data": lambda: relabelled(images(50))}),
        ("other images, labels or augmentation", {"data": lambda: repainted(images(50))}),
        ("other images, labels or augmentation", {"data": lambda: Bare(relabelled(images(50)))}),
    ],
)
def test_a_checkpoint_of_another_configuration_is_one_line(tmp_path, what, change):
    kind = type(change["data"]()) if "data" in change else None
    resumable(tmp_path / "kept")(convolutional(), Bare(images(50)) if kind is Bare else images(50))
    bytes_before = (tmp_path / "kept").read_bytes()
    network = change.pop("network", convolutional)()
    before, seed, n = state(network), change.pop("seed", 0), change.pop("n", 50)
    data = change.pop("data", lambda: images(n))()
    with pytest.raises(Problem) as caught:
        resumable(tmp_path / "kept", **change)(network, data, seed)
    message = str(caught.value)
    assert what in message
    assert str(tmp_path / "kept") in message
    assert "\n" not in message
    assert_same(network, before)
    assert (tmp_path / "kept").read_bytes() == bytes_before


def saved(content) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class Harmful:
    def __reduce__(self):
        return print, ("code from a file has run",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"\0" + whole[1:],
        lambda whole: whole.replace(weights_of(whole), weights_of(whole)[::-1]),
        lambda whole: b"not weights at all",
        lambda whole: saved([1, 2]),
        lambda whole: saved({"network": {}}),
        lambda whole: saved(Harmful()),
    ],
    ids=["empty", "half", "last byte", "first byte", "weights", "text", "list", "other", "code"],
)
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage, capsys):
    path = tmp_path / "kept"
    resumable(path)(convolutional(), images(50))
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    network = convolutional(1)
    before = state(network)
    with pytest.raises(Problem) as caught:
        resumable(path)(network, images(50))
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_same(network, before)
    assert capsys.readouterr().out == ""


def weights_of(whole: bytes) -> bytes:
    """The numbers of one tensor, as they lie in the file."""
    return torch.load(io.BytesIO(whole), weights_only=True)["network"]["5.weight"].numpy().tobytes()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot write"):
        resumable(tmp_path / "file" / "kept")(linear(), images())


# --- BatchNorm and batches of one -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "n"), [(1, 20), (16, 1)])
def test_batchnorm_cannot_learn_from_batches_of_one(batch_size, n):
    with pytest.raises(Problem, match="BatchNorm cannot learn from batches of one image"):
        Training(1, batch_size=batch_size, **EXACT)(convolutional(), images(n))


@pytest.mark.parametrize("n", [17, 33])
def test_a_last_batch_of_one_is_no_trouble(n):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 8), nn.BatchNorm1d(8), nn.Linear(8, CLASSES))
    assert len(Training(1, batch_size=16, **EXACT)(network, images(n)).losses) == n // 16


def test_a_network_without_batchnorm_learns_from_one_image_at_a_time():
    history = Training(1, batch_size=1, **EXACT)(linear(), images(9))
    assert len(history.losses) == 9


# --- Two processes ----------------------------------------------------------------------------------------------------


TOGETHER = pytest.mark.xdist_group("two processes")  # one test process starts them, not each


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes under torchrun have come to."""
    path = tmp_path_factory.mktemp("two") / "kept.json"
    return run_as_two("tests.common.small_training", path, "two")


@TOGETHER
@pytest.mark.parametrize("name", SPLITS)
def test_two_processes_give_what_one_gives(two, name):
    n, *how = SPLITS[name]
    network = together()
    history = shared(*how)(network, images(n, POSES), seed=2)
    assert_allclose(two[name]["losses"], history.losses, rtol=1e-5)
    for key, value in network.state_dict().items():
        assert_allclose(two[name][key], value, rtol=1e-4, atol=1e-6)
        assert not np.allclose(two[name][key], together().state_dict()[key])


@TOGETHER
def test_a_loss_that_runs_away_in_one_process_ends_both(two):
    assert two["step of a nan in the other"] == 1
