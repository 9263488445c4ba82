"""Recurrent networks on recordings: against PyTorch and by hand; lengths, directions, fusion; rejected inputs."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.video import activity as module
from ch07_applications.video.activity import CHOICES, DeepLSTM, Recipe, Recogniser, in_random_order, train
from ch07_applications.video.person_folds import Fold, held_out_people, pooled, pooled_recordings, summed, train_by_fold
from ch07_applications.video.skeleton_clips import Clips
from ch07_applications.video.skeleton_rivals import FEW_FRAMES, accuracy_when_trained, fit_by_fold, score_clips
from ch07_applications.video.watch_studies import best_median_worst, few_people
from ch07_applications.video.watch_windows import Windows
from common import data
from common.console import Console
from common.data import Scale
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def network(both=module.UNIDIRECTIONAL, classes=7, **more):
    return DeepLSTM(torch.zeros(6), torch.ones(6), Recipe(both=both, classes=classes, width=8, **more)).eval()


def samples(n=3, time=40):
    return torch.randn(n, time, 6)


EVERY = pytest.mark.parametrize("both", [module.UNIDIRECTIONAL, module.BIDIRECTIONAL, module.CASCADED])


# The network


@pytest.mark.parametrize(("both", "wanted"), [((False,), 1), ((True,), 2)])
def test_a_layer_has_4_h_i_plus_h_numbers_and_two_biases(both, wanted):
    h, i = 64, 24
    found = parameters_of(DeepLSTM(torch.zeros(6), torch.ones(6), Recipe(both=both)).layers)
    assert found == wanted * (4 * h * (i + h) + 8 * h)


def test_a_cell_is_the_equations():
    net = network(both=(False,), frame=1)
    layer, inputs = net.layers[0], samples(1, 5)
    h, c, wanted = torch.zeros(8), torch.zeros(8), []
    for x in inputs[0]:
        gates = layer.weight_ih_l0 @ x + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0
        i, f, g, o = gates.split(8)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        wanted.append(net.last(h))
    torch.testing.assert_close(net.per_step(inputs)[0][0], torch.stack(wanted))


def test_two_uniform_layers_are_torch_s_stacked_lstm():
    for both in (False, True):
        net = network(both=(both, both), frame=2)
        stacked = torch.nn.LSTM(12, 8, 2, bidirectional=both, batch_first=True)
        for number, layer in enumerate(net.layers):
            for name, value in layer.named_parameters():
                with torch.no_grad():
                    getattr(stacked, name.replace("l0", f"l{number}")).copy_(value)
        inputs = samples()
        torch.testing.assert_close(
            net(inputs), net.last(stacked(inputs.unflatten(1, (-1, 2)).flatten(2))[0]).mean(dim=1)
        )


@EVERY
def test_the_mean_of_scores_is_the_score_of_the_mean_state(both):
    """Late fusion of linear scores: the order of pooling does not matter."""
    net, inputs, states = network(both), samples(), []
    net.layers[-1].register_forward_hook(lambda layer, given, found: states.append(found[0]))
    found = net(inputs)
    torch.testing.assert_close(found, net.last(states[0].mean(dim=1)))


def test_forward_layers_do_not_know_the_future_and_the_others_do():
    inputs = samples(1, 40)
    changed = inputs.clone()
    changed[:, 20:] += 1
    for both, causal in ((module.UNIDIRECTIONAL, True), (module.BIDIRECTIONAL, False), (module.CASCADED, False)):
        net = network(both)
        a, b = (net.per_step(each)[0][:, :5] for each in (inputs, changed))
        assert torch.equal(a, b) == causal


def test_a_bidirectional_layer_on_reversed_steps_is_itself_with_its_ways_exchanged():
    layer, frames = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True), torch.randn(2, 9, 3)
    exchanged = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for name, value in layer.named_parameters():
            other = name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"
            getattr(exchanged, other).copy_(value)
    found = exchanged(frames.flip(1))[0].flip(1)
    torch.testing.assert_close(torch.cat([found[..., 4:], found[..., :4]], dim=2), layer(frames)[0])


@EVERY
@pytest.mark.parametrize("fused", [True, False])
def test_padding_does_not_change_scores(both, fused):
    net = network(both, fused=fused)
    series = [torch.randn(length, 6) for length in (40, 12, 27)]
    padded = torch.full((3, 44, 6), float("nan"))
    for row, each in zip(padded, series, strict=True):
        row[: len(each)] = each
    wanted = torch.cat([net(each[None]) for each in series])
    torch.testing.assert_close(net(padded), wanted)


def test_the_last_step_alone_is_another_answer():
    net = network()
    scores = net.per_step(samples())[0]
    net.recipe = replace(net.recipe, fused=False)
    torch.manual_seed(0)
    inputs = samples()
    torch.testing.assert_close(net(inputs), net.per_step(inputs)[0][:, -1])
    assert scores.shape == (3, 10, 7)


def test_inputs_are_standardised_by_the_training_part_alone():
    net, inputs = network(), samples()
    other = DeepLSTM(torch.full((6,), 2.0), torch.full((6,), 3.0), net.recipe).eval()
    other.load_state_dict(net.state_dict() | {"mean": torch.full((6,), 2.0), "deviation": torch.full((6,), 3.0)})
    torch.testing.assert_close(other(3 * inputs + 2), net(inputs))


def test_random_orders_differ_keep_all_steps_and_leave_padding_at_the_end():
    frames = torch.arange(12.0)[None, :, None].expand(4, 12, 1).clone()
    there = torch.ones(4, 12, dtype=torch.bool)
    there[:, 9:] = False
    found, still = in_random_order(frames, there)
    assert torch.equal(still, there)
    assert (found[:, :9, 0].sort(dim=1).values == torch.arange(9.0)).all()
    assert len({tuple(row.tolist()) for row in found[:, :9, 0]}) > 1


# Recognising


def test_whole_recordings_of_any_length_and_rate():
    model = Recogniser(network())
    series = [np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32) for n in (4, 90, 301)]
    found = model.recognise(series)
    for each, scores in zip(series, found, strict=True):
        np.testing.assert_allclose(model.decision_function(each[None])[0], scores, atol=1e-6)
    fast = np.sin(0.1 * np.arange(400)[:, None] + np.arange(6)).astype(np.float32)  # at 100 samples per second
    np.testing.assert_allclose(model.recognise([fast], rate=100), model.recognise([fast[::2]]), atol=1e-6)
    assert np.abs(model.recognise([fast]) - model.recognise([fast[::2]])).max() > 1e-4


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (np.full((30, 6), np.nan, np.float32), "no number at sample 0"),
        (np.zeros((30, 3), np.float32), "the shape"),
        (np.zeros((3, 6), np.float32), "3 samples, and 4"),
        (np.zeros((0, 6), np.float32), "0 samples"),
    ],
)
def test_recordings_that_can_t_be_recognised_are_refused(series, words):
    with pytest.raises(Problem, match=words):
        Recogniser(network()).recognise([series])


def test_a_shuffled_recogniser_gives_the_same_twice_and_leaves_the_first_as_it_was():
    model = Recogniser(network())
    windows = samples(5).numpy()
    before, other = model.decision_function(windows), model.shuffled()
    np.testing.assert_array_equal(other.decision_function(windows), other.decision_function(windows))
    assert np.abs(other.decision_function(windows) - before).max() > 1e-4
    np.testing.assert_array_equal(model.decision_function(windows), before)


def test_training_gives_the_same_twice_and_learns(tmp_path):
    part = data.watch().split([1, 2])[0].take(np.arange(0, 112, 2))
    part = part.take(np.isin(part.labels, (0, 3)))
    run = Run("video/activity", 0, Scale("smoke"), LessonRecord("", ""), Path(tmp_path), Console(quiet=True))
    windows = np.stack([series[:128] for series in part.series])
    first, second = (train(run, part, Recipe(width=8, batch_size=4, learning_rate=0.02)) for _ in range(2))
    np.testing.assert_array_equal(first.decision_function(windows), second.decision_function(windows))
    assert (first.decision_function(windows).argmax(axis=1) == part.labels).mean() > 0.8


# Folds


def test_people_held_out_to_choose_on_are_in_no_other_part():
    watch = data.watch()
    fold = Fold(*watch.folds(3, 0)[0])
    folds = held_out_people(fold, 0)
    for inner in folds:
        people = [set(part.subjects.tolist()) for part in (inner.train, inner.test, fold.test)]
        assert not people[0] & people[1]
        assert not (people[0] | people[1]) & people[2]
        assert set.union(*people) == set(watch.people)
    judged = [subject for inner in folds for subject in sorted(set(inner.test.subjects.tolist()))]
    assert sorted(judged) == sorted(set(fold.train.subjects.tolist()))  # each of them once
    assert set(fold.of(2).train.subjects) < set(fold.train.subjects)
    assert len(set(fold.of(2).train.subjects)) == 2


def test_pooled_windows_are_all_people_s_once():
    folds = [Fold(*parts) for parts in data.watch().folds(3, 1)]
    windows = pooled([fold.windows()[1] for fold in folds])
    assert len(np.unique(windows.ids)) == len(windows)
    assert set(windows.groups) == set(range(1, 11))
    assert sorted(pooled_recordings(folds).ids) == list(range(140))


def test_a_recording_s_scores_are_its_windows_sum():
    part = data.watch().recordings.take([5, 2])
    empty = np.zeros((3, 2, 6), np.float32)
    windows = Windows(empty, *(np.array([0, 0, 0]) for _ in range(3)), np.array([2, 5, 2]))
    found = summed(np.array([[1.0, 0], [0, 3], [2, 1]]), windows, part)
    assert found.tolist() == [[0, 3], [3, 1]]


def test_the_shown_recordings_are_best_median_and_worst_by_their_own_exercise():
    folds = [Fold(*parts) for parts in data.watch().folds(3, 0)]
    whole = [np.zeros((len(fold.test), 7)) for fold in folds]
    whole[1][4, folds[1].test.labels[4]] = 5
    whole[2][3, folds[2].test.labels[3]] = -5
    shown = best_median_worst(folds, whole)
    assert [fold for fold, _ in shown][::2] == [1, 2]
    assert shown[0][1].ids[0] == folds[1].test.ids[4]
    assert shown[2][1].ids[0] == folds[2].test.ids[3]


# The lesson's trainings


def run_at_smoke(folder):
    return Run("video/activity", 0, Scale("smoke"), LessonRecord("", ""), Path(folder), Console(quiet=True))


def three_folds():
    return [Fold(*parts) for parts in data.watch().folds(3, 0)]


def named(run, *, name):
    return name


def test_what_is_trained_side_by_side_comes_back_by_name_and_fold(tmp_path):
    works = {name: [partial(named, name=f"{name}{k}") for k in range(count)] for name, count in (("a", 3), ("a 1", 2))}
    made = train_by_fold(run_at_smoke(tmp_path), works)
    assert {name: models for name, (models, _) in made.items()} == {"a": ["a0", "a1", "a2"], "a 1": ["a 10", "a 11"]}
    assert all(seconds > 0 for _, seconds in made.values())


def test_every_choice_changes_the_recipe_in_one_place():
    base = vars(module.CHOICES[module.BASE])
    changed = {name: [key for key in base if vars(recipe)[key] != base[key]] for name, recipe in CHOICES.items()}
    assert changed == {
        module.BASE: [], module.BOTH_WAYS: ["both"], module.BOTH_THEN_ONE: ["both"], module.LAST: ["fused"],
        module.UNCHANGED: ["change"], module.SHUFFLED: ["shuffled"],
    }  # fmt: skip
    assert module.CHOICES[module.BASE] == Recipe()


def test_few_people_are_learned_from_in_as_many_steps_as_everybody():
    folds = three_folds()
    found, everybody = few_people(folds), min(len(set(fold.train.subjects.tolist())) for fold in folds)
    people = {"LSTM, people: 1": 1, "LSTM, people: 3": 3, "LSTM, people: all": everybody}
    assert list(found) == list(people)
    for name, (few, share) in found.items():
        assert share * people[name] == pytest.approx(0.4 * everybody)
        for fold, whole in zip(few, folds, strict=True):
            assert fold.test is whole.test
            if people[name] < everybody:
                assert len(set(fold.train.subjects.tolist())) == people[name]
    assert [fold is whole for fold, whole in zip(found["LSTM, people: all"][0], folds, strict=True)] == [True] * 3


def test_every_training_has_its_fold_and_choices_have_people_who_are_held_out():
    folds = three_folds()
    held_out = held_out_people(folds[0], 0)
    works = module.all_works(folds, held_out, None)
    judged = set(folds[0].test.subjects.tolist())
    for k, work in enumerate(works[module.LSTM]):
        assert work.keywords == {"recipe": Recipe(), "part": folds[k].train, "checkpoint": f"fold{k}"}
    for name, recipe in CHOICES.items():
        for work, fold in zip(works[name], held_out, strict=True):
            assert work.keywords["part"] is fold.train
            assert work.keywords["recipe"] == recipe
            assert not judged & set(fold.train.subjects.tolist())
    assert module.JOINTS_LSTM not in works


def test_networks_of_skeletons_learn_from_their_fold_s_people_and_are_judged_on_the_others(tmp_path):
    rng = np.random.default_rng(0)
    inputs = tuple(rng.normal(size=(6, 60)).astype(np.float32) for _ in range(8))
    clips = Clips(inputs, np.arange(8) % 2, np.arange(8), np.repeat(np.arange(4), 2))
    works = module.all_works(three_folds(), held_out_people(three_folds()[0], 0), clips)
    for name, lengths in ((module.JOINTS_LSTM, {6}), (FEW_FRAMES, {16})):
        for work, (part, _) in zip(works[name], clips.folds(), strict=True):
            np.testing.assert_array_equal(work.keywords["part"].ids, part.ids)
            assert {len(each) for each in work.keywords["part"].inputs} == lengths
    run = run_at_smoke(tmp_path)
    with_labels = fit_by_fold(lambda part: lambda judged: np.full(len(judged), len(part) % 2), clips)
    score_clips(run, "zeros", "classical", clips, with_labels)
    items = run.methods["zeros"].items["accuracy"]
    assert sorted(items.ids.tolist()) == list(range(8))
    assert items.values.mean() == 50  # every part has six clips: class 0 is predicted for all


def eight_clips(length):
    """Of eight people, two in each fold's test part."""
    inputs = tuple(np.ones((length, 60), np.float32) for _ in range(8))
    return Clips(inputs, np.arange(8) // 4, np.arange(8), np.arange(8))


def test_equal_clips_stay_of_equal_lengths_in_training(tmp_path, monkeypatch):
    drawn, folds = [], three_folds()
    monkeypatch.setattr(module, "learn", lambda run, batches, *_: drawn.append(batches))
    works = module.all_works(folds, held_out_people(folds[0], 0), eight_clips(9))
    for name in (module.JOINTS_LSTM, FEW_FRAMES):
        works[name][0](run_at_smoke(tmp_path))
    seeds = [torch.Generator().manual_seed(k) for k in range(8)]
    own, equal = ({each.batch(torch.arange(6), seed)[0].shape[1] for seed in seeds} for each in drawn)
    assert len(own) > 1
    assert equal == {16}


def test_training_accuracy_is_of_the_clips_that_each_fold_has_learned_from():
    clips = eight_clips(6)
    by_heart = fit_by_fold(lambda part: lambda inputs: part.answers if len(inputs) == len(part) else None, clips)
    assert accuracy_when_trained(clips, by_heart) == 100
    zeros = fit_by_fold(lambda part: lambda inputs: np.zeros(len(inputs), int), clips)
    assert accuracy_when_trained(clips, zeros) == 50
