"""Summaries: segmentation and knapsack against brute force, greedy keyframes, the scorer, random scores."""

import time
from functools import partial
from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.tests.synthesis.small_runs import run_of
from ch07_applications.video import summarization as module
from ch07_applications.video import summary_contest
from ch07_applications.video.edited_films import EVENTS, FADE, SHORTEST, edit_films, splice
from ch07_applications.video.frame_descriptors import Described, colour_roots, describe
from ch07_applications.video.motions import ACTIONS
from ch07_applications.video.shuffled_shots import ShuffledShots, padded, shuffled_frames
from ch07_applications.video.summarization import (
    CELLS,
    ImportanceScorer,
    Scorer,
    knapsack,
    loss_of_frames,
    scatters,
    segment,
    shots_of,
    summarise,
    train,
)
from ch07_applications.video.summary_judging import BUDGET, Judge, budget_of
from ch07_applications.video.summary_measures import coverage, cuts_f1, f1, kendall
from ch07_applications.video.summary_rivals import (
    ForestScorer,
    change_cuts,
    facility_location,
    fill,
    medoid_frames,
    uniform_frames,
    with_context,
)
from ch07_applications.video.summary_viewers import agreement, equal_pieces, viewer_scores
from common.errors import Problem
from common.paper_claims import PaperClaims


@pytest.fixture(scope="module")
def films():
    return edit_films("validation", 3)


@pytest.fixture(scope="module")
def described(films):
    return [describe(film.frames) for film in films.films]


def rows_of(seed, frames=9, numbers=3):
    return np.random.default_rng(seed).normal(size=(frames, numbers))


# --- Shots ------------------------------------------------------------------------------------------------------------


def test_a_scatter_is_the_squared_distance_from_the_stretch_s_mean():
    rows = rows_of(0)
    found = scatters(rows @ rows.T)
    for a, b in combinations(range(10), 2):
        wanted = ((rows[a:b] - rows[a:b].mean(axis=0)) ** 2).sum()
        assert found[a, b] == pytest.approx(wanted, abs=1e-9)
        assert found[b, a] == found[a, a] == np.inf


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.0, 0.3, 1.5])
def test_segmentation_is_as_good_as_the_best_of_all(seed, penalty):
    rows = rows_of(seed)
    gram, most = rows @ rows.T, 4
    table = scatters(gram)

    def objective(cuts):
        ends, m, n = [0, *cuts, len(rows)], len(cuts), len(rows)
        price = penalty * m / (2 * n) * (np.log(n / m) + 1) if m else 0
        return sum(table[a, b] for a, b in pairwise(ends)) / n + price

    every = [cuts for count in range(most + 1) for cuts in combinations(range(1, len(rows)), count)]
    assert objective(segment(gram, penalty, most)) == pytest.approx(min(map(objective, every)), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_cuts_of_a_piecewise_constant_kernel_are_found(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 12, 6)
    rows = np.eye(6)[rng.permutation(6)].repeat(lengths, axis=0)
    for penalty in (0.01, 0.1):
        assert segment(rows @ rows.T, penalty).tolist() == lengths.cumsum()[:-1].tolist()


def test_a_film_that_does_not_change_has_no_cut_and_a_larger_penalty_never_more():
    assert segment(np.ones((30, 30)), 0.1).tolist() == []
    assert segment(np.ones((1, 1)), 0.1).tolist() == []
    rows = rows_of(3, 60)
    counts = [len(segment(rows @ rows.T, penalty)) for penalty in (0.1, 1, 3, 10, 1000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0


def test_a_thousand_frames_take_less_than_a_second():
    rows = np.random.default_rng(0).random((1000, 8))
    start = time.process_time()
    segment(rows @ rows.T, 0.1, 60)
    assert time.process_time() - start < 1


def test_cuts_of_edited_films_are_found(films, described):
    found = [cuts_f1(shots_of(each, 0.3)[1:-1], film.cuts) for film, each in zip(films.films, described, strict=True)]
    assert np.mean(found) > 80
    assert all(shots_of(each, 0.3)[[0, -1]].tolist() == [0, len(each)] for each in described)


# --- Selection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_the_knapsack_is_as_good_as_the_best_of_all_subsets(seed):
    rng = np.random.default_rng(seed)
    values, weights, budget = rng.random((5, 9)), rng.integers(1, 9, 9), int(rng.integers(1, 25))
    subsets = np.array(list(product([False, True], repeat=9)))
    subsets = subsets[subsets @ weights <= budget]
    found = knapsack(values, weights, budget)
    assert (found @ weights <= budget).all()
    np.testing.assert_allclose((values * found).sum(axis=1), (values @ subsets.T).max(axis=1))


def test_what_is_too_heavy_or_worthless_is_left_out():
    found = knapsack(np.array([[5.0, 0.0, 1.0]]), np.array([9, 1, 3]), 4)
    assert found.tolist() == [[False, False, True]]


def test_a_summary_keeps_whole_shots_within_the_budget(films, described):
    rng = np.random.default_rng(0)
    for each in described:
        bounds = shots_of(each, 0.3)
        chosen = summarise(rng.random((20, len(each))), bounds)
        assert (chosen.sum(axis=1) <= BUDGET * len(each)).all()
        edges = np.flatnonzero((chosen[:, 1:] != chosen[:, :-1]).any(axis=0)) + 1
        assert set(edges) <= set(bounds)


def test_a_mean_prefers_short_shots_and_a_sum_does_not():
    """Two shots of 3 and 12 frames that are equally important: there is room for one."""
    bounds = np.array([0, 3, 15, 80])
    scores = np.zeros((1, 80))
    scores[:, :3], scores[:, 3:15] = 0.91, 0.9
    assert summarise(scores, bounds)[0, 3:15].all()
    assert not summarise(scores, bounds)[0, :3].any()
    assert summarise(scores, bounds, "mean")[0, :3].all()


def test_a_budget_shorter_than_every_shot_is_a_problem():
    with pytest.raises(Problem, match="3 frames has room for no shot: the shortest has 10 frames"):
        budget_of(np.array([0, 10, 20]))
    assert budget_of(np.array([0, 3, 20])) == 3


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_is_monotone_and_submodular_and_greedy_keeps_its_guarantee(seed):
    rows = np.abs(rows_of(seed, 8))
    similarity, rng = rows @ rows.T, np.random.default_rng(seed)

    def value(chosen):
        return similarity[:, list(chosen)].max(axis=1).sum() if len(chosen) else 0.0

    for _ in range(50):
        order = rng.permutation(8)
        small, large, new = order[:2], order[: rng.integers(2, 7)], order[7]
        assert value([*small, new]) >= value(small)
        assert value([*small, new]) - value(small) >= value([*large, new]) - value(large) - 1e-9
    best = max(value(chosen) for chosen in combinations(range(8), 3))
    found = facility_location(similarity, 3)
    assert len(set(found.tolist())) == 3
    assert value(found) >= (1 - 1 / np.e) * best
    assert found[0] == similarity.sum(axis=0).argmax()


def test_keyframes_fill_the_budget_in_their_order():
    bounds = np.array([0, 4, 10, 13, 30])
    assert np.flatnonzero(fill(np.array([5, 0, 11]), bounds, 8)).tolist() == [4, 5, 6, 7, 8, 9]
    assert np.flatnonzero(fill(np.array([20, 12, 0, 1]), bounds, 7)).tolist() == [0, 1, 2, 3, 10, 11, 12]


def test_uniform_keyframes_halve_what_is_left():
    assert uniform_frames(80, 4).tolist() == [10, 50, 30, 70]
    assert sorted(uniform_frames(101, 7)) == [int((k + 0.5) * 101 / 7) for k in range(7)]
    assert uniform_frames(9, 1).tolist() == [4]


def test_medoids_stand_for_clusters_the_largest_first():
    rows = np.repeat(np.eye(3, dtype=np.float32) * 9, [5, 20, 10], axis=0)
    rows += np.random.default_rng(0).normal(0, 0.1, rows.shape).astype(np.float32)
    found = medoid_frames(rows, 3)
    assert [int(np.searchsorted([5, 25, 35], frame, side="right")) for frame in found] == [1, 2, 0]


def test_changes_of_colours_are_cuts():
    rows = np.repeat(np.eye(3, dtype=np.float32), [3, 4, 2], axis=0)
    assert change_cuts(rows, 0.5).tolist() == [3, 7]
    assert change_cuts(rows, 1.0).tolist() == []
    angles = np.array([0, 0, 0.2, 0.6, 0.7, 0.7, 0.71])  # a dissolve: the largest change is its cut
    slow = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert change_cuts(slow, 0.01).tolist() == [3]
    with pytest.raises(ValueError, match="not negative"):
        change_cuts(rows, -1)


# --- Measures ---------------------------------------------------------------------------------------------------------


def test_a_summary_agrees_with_itself_and_f1_is_the_harmonic_mean():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 50)) < 0.4
    assert f1(a, a) == coverage(a, a) == 100
    assert f1(a, ~a) == 0
    precision, recall = (a & b).sum() / a.sum(), (a & b).sum() / b.sum()
    assert f1(a, b) == pytest.approx(200 * precision * recall / (precision + recall))
    assert f1(np.stack([a, b]), b).tolist() == [f1(a, b), 100.0]
    assert coverage(a, b) == pytest.approx(100 * recall)
    with pytest.raises(ValueError, match="without events"):
        coverage(a, np.zeros(50, bool))


def test_kendall_s_tau_counts_pairs():
    rng = np.random.default_rng(1)
    scores, important = rng.random(30), rng.random(30) < 0.4
    pairs = [np.sign(scores[i] - scores[j]) * np.sign(int(important[i]) - int(important[j]))
             for i, j in combinations(range(30), 2)]  # fmt: skip
    split = important.sum() * (~important).sum()
    assert kendall(scores, important) == pytest.approx(sum(pairs) / np.sqrt(len(pairs) * split))
    assert kendall(important.astype(float), important) == pytest.approx(1)
    assert kendall(np.ones(30), important) == 0


def test_a_cut_is_matched_once():
    assert cuts_f1(np.array([10, 20]), np.array([10, 22])) == 100
    assert cuts_f1(np.array([9, 10, 11]), np.array([10])) == pytest.approx(50)
    assert cuts_f1(np.array([13]), np.array([10])) == 0
    assert cuts_f1(np.array([], int), np.array([], int)) == 100
    assert cuts_f1(np.array([10, 11]), np.array([11, 12])) == 100


# --- Random scores ----------------------------------------------------------------------------------------------------


def test_random_scores_reach_their_exact_expectation(films):
    """Equal shots, of which one fits: by symmetry each is chosen equally often, so the mean coverage is 1 / shots."""
    film = films.films[0]
    length = len(film.frames) // 6 * 6 // 6
    frames, bounds = length * 6, np.arange(7) * length
    cut = type(film)(film.frames[:frames], film.shots[:frames], film.labels[:frames])
    part = type(films)((cut,), films.credits)
    judge = Judge.of(part, [], [bounds], lambda scores, cut, worth="sum": one_of(scores, length), 0)
    assert judge.random[:, 0, 0] == pytest.approx(100 / 6, abs=6)
    assert not np.array_equal(judge.random[0], judge.random[1])


def one_of(scores, length):
    """The shot with the largest sum."""
    sums = scores.reshape(len(scores), -1, length).sum(axis=2)
    return knapsack(sums, np.full(sums.shape[1], length), length).repeat(length, axis=1)


def test_the_gain_of_random_scores_is_none(films, described):
    bounds = [shots_of(each, 0.3) for each in described]
    judge = Judge.of(films, described, bounds, summarise, 0)
    assert np.abs(judge.random[1, :, 0] - judge.random[0, :, 0]).max() < 12
    planted = judge.of_scores([film.important.astype(float) for film in films.films])
    assert (judge.covered(planted) > judge.random[0, :, 0] + 10).all()


def test_viewers_without_taste_want_the_events_and_others_differ(films):
    film = films.films[0]
    alike = viewer_scores(film, 0.0, 3, (0,))
    assert np.array_equal(alike, np.broadcast_to(film.important, alike.shape))
    differ = viewer_scores(film, 1.0, 3, (0,))
    assert len(np.unique(differ[0])) <= film.shots[-1] + 1
    assert not np.array_equal(differ[0], differ[1])
    assert agreement(film.important[None], film.important[None]) == 100


def test_equal_pieces_are_equal():
    assert equal_pieces(60, 15).tolist() == [0, 15, 30, 45, 60]
    assert equal_pieces(64, 15).tolist() == [0, 15, 30, 45, 64]
    assert equal_pieces(70, 15).tolist() == [0, 15, 30, 45, 60, 70]
    assert equal_pieces(5, 15).tolist() == [0, 5]


# --- Films and descriptors --------------------------------------------------------------------------------------------


def test_edited_films_are_what_is_known_about_them(films):
    for film in films.films:
        assert len(film.frames) == len(film.shots) == len(film.labels)
        lengths = np.bincount(film.shots)
        assert lengths.min() >= SHORTEST - FADE
        assert film.cuts.tolist() == lengths.cumsum()[:-1].tolist()
        of_shots = [set(film.labels[film.shots == shot].tolist()) for shot in range(len(lengths))]
        assert all(len(labels) == 1 for labels in of_shots)
        events = [ACTIONS[labels.pop()] in EVENTS for labels in of_shots]
        assert 1 <= sum(events) <= 3
        assert 9 <= len(events) - sum(events) <= 10
        assert film.important.sum() == lengths[events].sum()


def test_a_cut_keeps_frames_and_a_dissolve_mixes_them():
    dark, light = np.full((9, 8, 8, 3), 10, np.uint8), np.full((8, 8, 8, 3), 210, np.uint8)
    cut, faded = (splice([(dark, 3), (light, 5)], np.array([each])) for each in (False, True))
    assert cut.frames[:, 0, 0, 0].tolist() == [10] * 9 + [210] * 8
    assert (cut.cuts.tolist(), cut.labels.tolist()) == ([9], [3] * 9 + [5] * 8)
    assert faded.frames[:, 0, 0, 0].tolist() == [10] * 5 + [50, 90, 130, 170] + [210] * 4
    assert (faded.cuts.tolist(), faded.labels.tolist()) == ([7], [3] * 7 + [5] * 6)
    assert (dark == 10).all()


def test_edited_films_are_the_same_by_seed_and_differ_by_it():
    one, again, other = edit_films("train", 2, 1), edit_films("train", 2, 1), edit_films("train", 2, 2)
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(one.films, again.films, strict=True))
    assert one.films[0].frames.shape != other.films[0].frames.shape or not np.array_equal(
        one.films[0].frames, other.films[0].frames
    )
    with pytest.raises(Problem, match="at least one film"):
        edit_films("train", 0)


def test_colours_of_equal_frames_have_product_one(films):
    rows = colour_roots(films.films[0].frames)
    np.testing.assert_allclose((rows**2).sum(axis=1), 1, atol=1e-5)
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    pair = colour_roots(np.concatenate([black, white, black]))
    np.testing.assert_allclose(pair @ pair.T, [[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def test_descriptors_belong_to_their_own_frame():
    """Another third frame changes the motion from the second to the third and on, and the edges of the third alone."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    other = frames.copy()
    other[3] = other[3, ::-1]
    one, two = describe(frames), describe(other)
    same = [np.allclose(a, b, atol=1e-3) for a, b in zip(one.edges, two.edges, strict=True)]
    assert same == [True, True, True, False, True, True]
    moved = [np.allclose(a, b, atol=1e-3) for a, b in zip(one.motion, two.motion, strict=True)]
    assert moved == [True, True, False, False, True, True]


@pytest.mark.parametrize(("shape", "said"), [((1, 16, 16, 3), "two frames or more"), ((4, 6, 16, 3), "8 × 8")])
def test_films_without_motion_or_pixels_are_a_problem(shape, said):
    with pytest.raises(Problem, match=said):
        describe(np.zeros(shape, np.uint8))


# --- Scorers ----------------------------------------------------------------------------------------------------------


def network(numbers=5, recurrent=True):
    torch.manual_seed(0)
    return ImportanceScorer(torch.zeros(numbers), torch.ones(numbers), recurrent).eval()


def test_padding_changes_nothing():
    built, films = network(), [torch.randn(length, 5) for length in (7, 12, 4)]
    together = built(padded(films))
    for film, scores in zip(films, together, strict=True):
        torch.testing.assert_close(scores[: len(film)], built(film[None])[0])
        assert (scores[len(film) :] == 0).all()


def test_padding_does_not_count_in_the_loss():
    logits, important = torch.randn(2, 6), torch.full((2, 6), torch.nan)
    important[0], important[1, :3] = torch.tensor([0.0, 1, 1, 0, 0, 1]), torch.tensor([1.0, 0, 0])
    total, count = loss_of_frames(logits, important)
    alone = [loss_of_frames(logits[:1], important[:1]), loss_of_frames(logits[1:, :3], important[1:, :3])]
    torch.testing.assert_close(total, alone[0][0] + alone[1][0])
    assert count == 9


def test_a_reversed_film_has_reversed_scores_when_the_directions_change_places():
    built, film = network(), torch.randn(1, 9, 5)
    forwards = built(film)
    state = built.both.state_dict()
    changed = {
        name: state[name.removesuffix("_reverse") if "_reverse" in name else f"{name}_reverse"] for name in state
    }
    built.both.load_state_dict({name: weight.clone() for name, weight in changed.items()})
    first = built.score[1].weight.data
    order = torch.cat([torch.arange(CELLS, 2 * CELLS), torch.arange(CELLS), torch.arange(2 * CELLS, first.shape[1])])
    built.score[1].weight.data = first[:, order].clone()
    torch.testing.assert_close(built(film.flip(1)).flip(1), forwards)


def test_a_scorer_that_is_recurrent_knows_its_neighbours_and_another_does_not():
    film = torch.randn(1, 9, 5)
    other = film.clone()
    other[:, 4] += 1
    for recurrent in (True, False):
        built = network(recurrent=recurrent)
        differs = (built(film) - built(other))[0].abs() > 1e-7
        assert differs.all() if recurrent else differs.nonzero().flatten().tolist() == [4]


def test_shuffled_shots_keep_frames_together_and_with_their_answers():
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 5, 2]
    order = shuffled_frames(lengths, generator)
    assert sorted(order.tolist()) == list(range(10))
    starts = {0: 3, 3: 5, 8: 2}
    place = 0
    while place < 10:
        first = int(order[place])
        assert order[place : place + starts[first]].tolist() == list(range(first, first + starts[first]))
        place += starts[first]
    rows = [torch.arange(10.0)[:, None].repeat(1, 2), torch.arange(6.0)[:, None].repeat(1, 2)]
    data = ShuffledShots(rows, [torch.arange(10.0), torch.arange(6.0)], [lengths, [2, 4]])
    inputs, answers = data.batch(torch.tensor([1, 0]), generator)
    assert inputs.shape == (2, 10, 2)
    assert torch.equal(inputs[..., 0].nan_to_num(-1), answers.nan_to_num(-1))
    assert answers[0].isfinite().sum() == 6


def test_a_trained_scorer_tells_events_that_are_easy_to_see():
    """Descriptors that contain the answer: after training the scores rank every frame of an event above all others."""
    films = edit_films("train", 6)
    run = run_of("summary", None)
    run.pick = lambda **options: 30
    answers = [np.stack([film.important, ~film.important], axis=1).astype(np.float32) for film in films.films]
    described = [Described(np.ones((len(each), 1), np.float32), each, each) for each in answers]
    scorer = train(run, films, described)
    for film, scores in zip(films.films, scorer.scores(described), strict=True):
        assert scores[film.important].min() > scores[~film.important].max()
    assert isinstance(scorer, Scorer)
    assert isinstance(scorer.network.score, nn.Sequential)


def test_context_is_the_mean_over_windows():
    rows = np.random.default_rng(0).random((7, 2)).astype(np.float32)
    found = with_context(rows, (0, 2))
    np.testing.assert_allclose(found[:, :2], rows, rtol=1e-5)
    wanted = [rows[max(0, t - 2) : t + 3].mean(axis=0) for t in range(7)]
    np.testing.assert_allclose(found[:, 2:], wanted, rtol=1e-5)


def test_the_forest_learns_from_training_films_alone():
    rng = np.random.default_rng(0)
    films = [rng.normal(size=(40, 3)).astype(np.float32) for _ in range(4)]
    important = [film[:, 0] > 0 for film in films]
    scores = ForestScorer((0,), 2, 20).fit(films[:3], important[:3]).scores(films[3:])[0]
    assert kendall(scores, important[3]) > 0.5


# --- The lesson's trainings -------------------------------------------------------------------------------------------


def test_every_training_is_what_its_name_says_on_the_same_films(films, described):
    works = {name: work.keywords for name, work in module.all_works(films, described).items()}
    same = {"part": films, "films": described}
    assert works == {
        module.OURS: same | {"checkpoint": "scorer"}, module.FOREST: same, module.STILL: same | {"motion": False},
        module.ALONE: same | {"recurrent": False},
    }  # fmt: skip


def test_forests_have_the_settings_in_turn(films, described, monkeypatch):
    monkeypatch.setattr(summary_contest, "ForestScorer", partial(ForestScorer, trees=2))
    forests = summary_contest.fit_forests(run_of("summary", None), films, described)
    assert [(forest.reaches, forest.leaf) for forest in forests] == list(summary_contest.FORESTS)
    scores = forests[0].scores([film.both for film in described])
    assert [len(each) for each in scores] == [len(film) for film in described]


def test_changes_are_judged_by_their_own_networks_and_the_rest_by_the_lesson_s(films, described, tmp_path, monkeypatch):
    """Networks that know the answer, its opposite, or nothing: summaries of the latter two are empty."""

    class Known:
        def __init__(self, sign):
            self.sign = sign

        def scores(self, _):
            return [self.sign * film.important.astype(float) for film in films.films]

        def parameters(self):
            return []

    run = run_of("summary", tmp_path)
    bounds = [np.concatenate([[0], film.cuts, [len(film.frames)]]) for film in films.films]
    monkeypatch.setattr(PaperClaims, "compared", lambda *_, **__: None)
    held = Judge.of(films, described, bounds, summarise, 0)
    made = {module.OURS: (Known(1), 5.0), module.STILL: (Known(-1), 3.0), module.ALONE: (Known(0), 2.0)}
    module.study_parts(run, PaperClaims(run), held, made)
    names = (module.BASE, module.STILL, module.ALONE, module.MEAN)
    methods = {name: run.methods[f"{name}, validation"] for name in names}
    assert [method.fit_seconds for method in methods.values()] == [None, 3.0, 2.0, None]
    gains = {name: method.items["gain over random"].values.mean() for name, method in methods.items()}
    assert gains[module.BASE] > 0 > gains[module.STILL]
    assert methods[module.MEAN].model is methods[module.BASE].model is made[module.OURS][0]
