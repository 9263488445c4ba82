"""What a lesson holds in its hand: methods that are timed, scored and compared; facts, floors, figures and notes."""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from common import plots, results
from common.claims import beats
from common.console import Console
from common.data import Images, Scale, Table
from common.errors import Problem
from common.paired import Comparison
from common.record import LessonRecord
from common.run import Run


def a_run(folder, seed=0, *, lesson="line", preset="smoke", first=True, **settings):
    settings.setdefault("record", LessonRecord("", ""))
    return Run(lesson, seed, Scale(preset), folder=folder, console=Console(), first=first, **settings)


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path)


@pytest.fixture
def table():
    x = np.random.default_rng(0).normal(size=(40, 1))
    return Table(x, 3 * x[:, 0] + np.random.default_rng(1).normal(size=40), ("x",), unit="mpg")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return Images(rng.integers(0, 256, (50, 4, 4)).astype(np.uint8), np.arange(50) % 2, np.arange(100, 150))


class Model:
    """Predicts what it was told to, and remembers what it was fitted to."""

    def __init__(self, answer):
        self.answer = answer

    def fit(self, inputs, answers):
        self.fitted = inputs, answers
        return self

    def predict(self, inputs):
        return self.answer(inputs)


def test_fit_hands_over_the_part_and_returns_the_model(run, table):
    model = Model(lambda x: 3 * x[:, 0])
    with run.method("m", kind="classical") as method:
        assert method.fit(model, table) is model
    assert model.fitted[0] is table.inputs
    assert model.fitted[1] is table.answers
    assert method.model is model


def test_a_regression_is_scored_by_rmse_and_r2(run, table):
    with run.method("m", kind="from scratch") as method:
        method.fit(Model(lambda x: 3 * x[:, 0]), table)
        predictions = method.score(table)
    rmse, r2 = run.record.rows
    squared = (3 * table.features[:, 0] - table.targets) ** 2
    assert np.array_equal(predictions, 3 * table.features[:, 0])
    assert (rmse.lesson, rmse.method, rmse.kind, rmse.metric) == ("line", "m", "from scratch", "RMSE")
    assert (rmse.n, rmse.unit, rmse.higher_is_better, rmse.seeds) == (40, "mpg", False, (0,))
    assert rmse.interval == results.bootstrap_interval(results.rms, squared)
    assert rmse.value == pytest.approx(math.sqrt(squared.mean()))
    assert (r2.metric, r2.higher_is_better, r2.unit) == ("R²", True, "")
    assert r2.value == pytest.approx(results.r2(table.targets, predictions))
    assert r2.low < r2.value < r2.high


def test_a_classification_is_scored_by_accuracy(run, images):
    with run.method("m", kind="deep") as method:
        method.score(images, predict=lambda x: np.zeros(len(x), int))
    (accuracy,) = run.record.rows
    wilson = results.wilson_interval(25, 50)
    assert (accuracy.metric, accuracy.unit, accuracy.higher_is_better, accuracy.n) == ("accuracy", "%", True, 50)
    assert (accuracy.value, accuracy.low, accuracy.high) == (50.0, 100 * wilson.low, 100 * wilson.high)
    assert method.items["accuracy"].ids.tolist() == list(range(100, 150))
    assert method.items["accuracy"].values.tolist() == [100.0, 0.0] * 25


def test_time_adds_up_and_predicting_is_timed_apart(run, table, monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr("common.method.time.perf_counter", lambda: next(clock))
    with run.method("m", kind="classical") as method:
        assert method.time(lambda a, b: a + b, 1, b=2) == 3
        method.fit(Model(lambda x: x[:, 0]), table)
        method.score(table)
    row = run.record.rows[0]
    assert (row.fit_seconds, row.predict_seconds) == (3.0, 4.0)


def test_what_was_not_timed_has_no_seconds(run):
    with run.method("m", kind="classical") as method:
        method.measure("condition", 12.5, n=8)
    (row,) = run.record.rows
    assert (row.fit_seconds, row.predict_seconds, row.parameters) == (None, None, None)
    assert (row.value, row.n) == (12.5, 8)
    assert math.isnan(row.low)


def test_the_numbers_that_a_model_keeps_are_counted(run):
    with run.method("m", kind="classical") as method:
        method.model = (1.0, 2.0)
        method.measure("loss", 1.0, n=1)
    assert run.record.rows[0].parameters == 2


def test_score_items_is_the_mean_of_a_value_an_item(run, table):
    values = np.abs(table.targets)
    with run.method("m", kind="classical") as method:
        method.score_items("absolute error", values, table, unit="mpg")
    (row,) = run.record.rows
    assert row.interval == results.bootstrap_interval(np.mean, values)
    assert (row.metric, row.unit, row.n) == ("absolute error", "mpg", 40)


def test_compare_uses_the_first_metric_and_the_items(run, table):
    for name, slope in (("good", 3), ("bad", 0)):
        with run.method(name, kind="classical") as method:
            method.score(table, predict=lambda x, slope=slope: slope * x[:, 0])
            method.score_items("absolute error", np.abs(table.targets - method.predictions), table)
    run.compare("good", "bad")
    run.compare("good", "bad", "absolute error")
    assert list(run.pairs) == [("good", "bad", "RMSE"), ("good", "bad", "absolute error")]
    assert all(pair.compare().winner == "good" for pair in run.pairs.values())


def test_pairs_are_shared_by_the_seeds(tmp_path, table):
    pairs = {}
    for seed in (0, 1):
        run = a_run(tmp_path, seed, pairs=pairs)
        for name in ("a", "b"):
            with run.method(name, kind="classical") as method:
                method.score(table, predict=lambda x, seed=seed: x[:, 0] + seed)
        run.compare("a", "b")
    assert pairs["a", "b", "RMSE"].compare().seeds == 2


def test_predictions_are_not_broadcast(run, table):
    with run.method("m", kind="classical") as method, pytest.raises(ValueError, match=r"\(40, 1\) .*\(40,\)"):
        method.score(table, predict=lambda x: x)


def test_a_quick_fit_is_timed_again_and_leaves_no_trace(run, table, monkeypatch):
    # The first call takes 0.1 s, for it loads a library; the second 0.01 s.
    clock = iter([0.0, 0.1, 1.0, 1.01, 2.0, 2.1, 3.0, 3.02])
    monkeypatch.setattr("common.method.time.perf_counter", lambda: next(clock))
    np.random.seed(3)  # noqa: NPY002
    fits = []

    class Guess(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            fits.append(self)
            self.offset_ = np.random.rand()  # noqa: NPY002
            return self

        def predict(self, X):
            return X[:, 0] + self.offset_

    with run.method("m", kind="classical") as method:
        model = method.fit(Guess(), table)
        method.score(table)
    row = run.record.rows[0]
    assert (row.fit_seconds, row.predict_seconds) == (pytest.approx(0.01), pytest.approx(0.02))
    assert fits[0] is model
    assert len(fits) == 2
    expected = np.random.RandomState(3)
    assert model.offset_ == expected.rand()
    assert np.random.rand() == expected.rand()  # noqa: NPY002


def test_groups_of_a_part_are_resampled(run):
    groups = np.repeat(np.arange(5), 8)
    part = Table(np.arange(40.0)[:, None], np.arange(40.0), ("x",), groups=groups)
    values = np.random.default_rng(0).normal(size=40)
    with run.method("m", kind="classical") as method:
        method.score_items("loss", values, part)
    assert run.record.rows[0].interval == results.grouped_interval(np.mean, values, groups=groups)
    assert method.items["loss"].groups is not None


def test_accuracy_over_groups_is_not_wilson_s(run):
    part = Images(np.zeros((40, 2, 2), np.uint8), np.arange(40) % 2, groups=np.repeat(np.arange(5), 8))
    with run.method("m", kind="classical") as method:
        method.score(part, predict=lambda x: np.zeros(40, int))
    assert run.record.rows[0].interval.ends == pytest.approx((50, 50, 50))  # every group has half of them right


def a_comparison(winner):
    return Comparison("a", "b", "loss", -1.0 if winner == "a" else 1.0, -2.0, 2.0, 0.01, "t", 10)


def test_a_claim_is_said_after_the_last_seed_if_it_holds(tmp_path):
    run = a_run(tmp_path, preset="lecture")
    run.claim("a is better", beats("a", "b"))
    run.claim("b is better", beats("b", "a"))
    run.claim(lambda record: f"{len(record.comparisons)} comparison", lambda record: True)
    assert run.record.notes == []
    run.record.comparisons = [a_comparison("a")]
    run.finish()
    assert run.record.notes == ["a is better", "1 comparison"]


def test_nothing_is_claimed_at_smoke_nor_twice(tmp_path):
    for run in (a_run(tmp_path, preset="smoke"), a_run(tmp_path, 1, preset="lecture", first=False)):
        run.claim("always", lambda record: True)
        run.finish()
        assert run.record.notes == []


def test_a_figure_over_seeds_is_drawn_from_the_whole_record(tmp_path):
    run, seen = a_run(tmp_path), []

    def draw(record, title):
        seen.append((len(record.facts), title))
        return plots.panels()[0]

    run.figure_over_seeds("shares", draw, "all", caption="Shares of all seeds.")
    for seed in range(3):
        a_run(tmp_path, seed, first=False, record=run.record).fact("share", seed)
    assert seen == []
    run.finish()
    assert seen == [(3, "all")]
    assert [(p.name, p.caption) for p in run.record.pictures] == [("shares", "Shares of all seeds.")]


def test_compare_refuses_methods_of_different_items(run, table):
    for name, part in (("a", table), ("b", table.take(slice(20, 40)))):
        with run.method(name, kind="classical") as method:
            method.score(part, predict=lambda x: x[:, 0])
    with pytest.raises(ValueError, match="different items"):
        run.compare("a", "b")


def draw(calls):
    calls.append(1)
    return plots.panels()[0]


def test_figures_notes_and_floors_are_of_the_first_seed(tmp_path, capsys):
    record, calls = LessonRecord("", ""), []
    for seed in (4, 5):
        run = a_run(tmp_path, seed, first=seed == 4, record=record)
        run.figure("empty", draw, calls, caption=f"Seed {seed}.")
        run.note(f"seed [{seed}]")
        run.floor("m", "RMSE", at_most=1.0)
        run.fact("slope", seed)
    assert len(calls) == 1
    assert [(p.name, p.file, p.caption) for p in record.pictures] == [("empty", "line_empty.png", "Seed 4.")]
    assert [path.name for path in tmp_path.iterdir()] == ["line_empty.png"]
    assert record.notes == ["seed [4]"]
    assert capsys.readouterr().out == "   seed [4]\n"
    assert len(record.floors) == 1
    assert [(fact.value, fact.seed) for fact in record.facts] == [(4.0, 4), (5.0, 5)]


def test_a_figure_is_drawn_in_the_style(run):
    import matplotlib as mpl

    seen = []

    def look():
        seen.append(mpl.rcParams["axes.spines.top"])
        return plots.panels()[0]

    run.figure("look", look, caption="")
    assert seen == [False]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_fact_that_is_no_number_names_lesson_and_seed(tmp_path, value):
    with pytest.raises(Problem, match=r"ridge, seed 3: slope is -?(nan|inf)"):
        a_run(tmp_path, 3, lesson="ridge").fact("slope", value)


def test_a_fact_returns_its_value(run):
    assert run.fact("slope", np.float64(2.5), "mpg") == 2.5


def test_an_unknown_kind_is_refused(run):
    with pytest.raises(ValueError, match=r"kind must be one of .*got 'shallow'"), run.method("m", kind="shallow"):
        pass


def draws(folder, seed, lesson):
    return a_run(folder, seed, lesson=lesson).rng.random(4).tolist()


def test_rng_is_the_lesson_s_and_the_seed_s_own(tmp_path):
    assert draws(tmp_path, 0, "line") == draws(tmp_path, 0, "line")
    assert draws(tmp_path, 0, "line") != draws(tmp_path, 1, "line")
    assert draws(tmp_path, 0, "line") != draws(tmp_path, 0, "ridge")
    assert draws(tmp_path, 0, "line")[0] == pytest.approx(0.4143578847)  # the same in every process: no hash()


def test_rng_goes_on_where_it_was(run):
    assert run.rng.random() != run.rng.random()


@pytest.mark.parametrize(("preset", "value"), [("smoke", 1), ("lecture", 2), ("full", 2)])
def test_pick(tmp_path, preset, value):
    assert a_run(tmp_path, preset=preset).pick(smoke=1, lecture=2) == value


def test_pick_for_full(tmp_path):
    assert a_run(tmp_path, preset="full").pick(smoke=1, lecture=2, full=0) == 0


def test_track_yields_everything(run):
    assert list(run.track(range(3), "epochs")) == [0, 1, 2]


def test_a_device_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "mps"):
        with pytest.raises(Problem, match=f"--device {name}.*--device auto"):
            _ = a_run(tmp_path, device_name=name).device
    assert a_run(tmp_path, device_name="auto").device.type == "cpu"
    assert a_run(tmp_path, device_name="cpu").device.type == "cpu"


def test_auto_takes_a_gpu(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert a_run(tmp_path).device.type == "cuda"
    assert a_run(tmp_path, device_name="cpu").device.type == "cpu"


def test_what_no_fit_gives_is_made_once_and_shared_with_its_seconds(tmp_path):
    shared, made = {}, []

    def make():
        made.append(object())
        return made[-1]

    for lesson in ("one", "two"):
        with a_run(tmp_path, lesson=lesson, shared=shared).method("samples", kind="deep") as method:
            assert method.make_shared("samples of digits", make) is made[0]
            seconds = shared["samples of digits", 0][1]
            assert method.fit_seconds == seconds > 0
            assert method.model is None
    with a_run(tmp_path, seed=1, shared=shared).method("samples", kind="deep") as method:
        assert method.make_shared("samples of digits", make) is made[1], "another seed, another result"
    assert len(made) == 2


def test_a_model_is_fitted_once_and_shared_with_its_seconds(tmp_path, images):
    shared, built = {}, []

    def build():
        built.append(Model(images.answers))
        return built[-1]

    first, second = (a_run(tmp_path, lesson=name, shared=shared) for name in ("one", "two"))
    with first.method("net", kind="deep") as method:
        assert method.fit_shared("net, all images", build, images) is built[0]
        seconds = method.fit_seconds
    with second.method("the same net", kind="deep") as method:
        assert method.fit_shared("net, all images", build, images) is built[0]
        assert method.fit_seconds == seconds
        assert method.fit_shared("net, half of them", build, images) is built[1]
    with a_run(tmp_path, seed=1, shared=shared).method("net", kind="deep") as method:
        assert method.fit_shared("net, all images", build, images) is built[2], "another seed, another model"
    assert len(built) == 3
