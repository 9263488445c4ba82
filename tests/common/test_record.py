"""results.json: what is written is what is read, a missing number stays missing, and damage is one clear line."""

import json
import math

import pytest

from common import record
from common.errors import Problem
from common.paired import Comparison
from common.record import ChapterRecord, Fact, Floor, LessonRecord, Picture
from common.results import Row


def row(**changes):
    settings = {"lesson": "line", "method": "line", "kind": "from scratch", "metric": "RMSE", "value": 4.5}
    return Row(**{**settings, "low": 4.0, "high": 5.0, "n": 98, **changes})


@pytest.fixture
def chapter():
    lesson = LessonRecord(
        title="Which line?",
        digest="abc",
        rows=[row(fit_seconds=0.25, parameters=2, seeds=(3,)), row(low=math.nan, high=math.nan, unit="mpg")],
        comparisons=[Comparison("line", "mean", "RMSE", -3.0, -4.0, -2.0, 0.001, "paired bootstrap", 98)],
        facts=[Fact("theta_1", -7.66, "mpg per 1000 lb", 3)],
        floors=[Floor("line", "RMSE", at_most=5.0)],
        notes=["1000 lb more cost 7.7 miles – θ₁."],
        pictures=[Picture("cost", "line_cost.png", "A bowl.")],
        seconds=[1.5],
    )
    return ChapterRecord(
        "ch01",
        "Regression",
        {"preset": "smoke", "seed": 3, "seeds": 2},
        {"cores": 2, "packages": {}},
        {"line": lesson},
        190.5,
    )


def test_round_trip(chapter, tmp_path):
    chapter.lessons["line"].rows.pop()
    chapter.save(tmp_path / "results.json")
    assert record.load(tmp_path / "results.json") == chapter


def test_nan_is_null_in_the_file_and_nan_again_when_read(chapter, tmp_path):
    path = tmp_path / "results.json"
    chapter.save(path)
    text = path.read_text(encoding="utf-8")
    assert "NaN" not in text
    stored = json.loads(text)["lessons"]["line"]["rows"]
    assert (stored[1]["low"], stored[1]["high"]) == (None, None)
    first, second = record.load(path).lessons["line"].rows
    assert math.isnan(second.low)
    assert math.isnan(second.high)
    assert second.fit_seconds is None  # None where it may be None, NaN only where a number must stand
    assert first == chapter.lessons["line"].rows[0]


def test_letters_stay_letters(chapter, tmp_path):
    chapter.save(tmp_path / "results.json")
    assert "θ₁" in (tmp_path / "results.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"chapter": "a"}', '{"lessons": {"line": {"rows": [{"value": 1}]}}}', '{"lessons": []}'],
)
def test_a_damaged_file_is_one_line(content, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(Problem, match="damaged, or of another version") as caught:
        record.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("lessons", "line", "rows", 0, "value"), "4.5", "value is '4.5'"),
        (("lessons", "line", "rows", 0, "n"), 1.5, "n is 1.5"),
        (("lessons", "line", "rows", 0, "n"), True, "n is True"),
        (("lessons", "line", "rows", 0, "seeds"), [0, "1"], "seeds is '1'"),
        (("lessons", "line", "rows", 0, "seeds"), 3, "seeds is 3"),
        (("lessons", "line", "rows", 0, "higher_is_better"), "no", "higher_is_better is 'no'"),
        (("lessons", "line", "rows", 0, "fit_seconds"), [], "fit_seconds is []"),
        (("lessons", "line", "rows", 0), 3, "rows is 3"),
        (("lessons", "line", "rows"), {}, "rows is {}"),
        (("lessons", "line", "comparisons", 0, "p_value"), "small", "p_value is 'small'"),
        (("lessons", "line", "facts", 0, "unit"), 3, "unit is 3"),
        (("lessons", "line", "floors", 0, "at_most"), "5", "at_most is '5'"),
        (("lessons", "line", "pictures", 0, "file"), None, "file is None"),
        (("lessons", "line", "notes"), "a note", "notes is 'a note'"),
        (("lessons", "line", "notes"), [1], "notes is 1"),
        (("lessons", "line", "seconds"), 1.5, "seconds is 1.5"),
        (("lessons", "line", "seconds"), ["1"], "seconds is '1'"),
        (("lessons", "line", "title"), 7, "title is 7"),
        (("title",), None, "title is None"),
        (("configuration", "seeds"), "2", "configuration.seeds is '2'"),
        (("configuration", "preset"), 1, "configuration.preset is 1"),
        (("configuration",), [], "configuration is []"),
        (("machine", "packages"), ["numpy"], "machine.packages is ['numpy']"),
        (("peak_memory_mib",), "much", "peak_memory_mib is 'much'"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_line_that_names_it(chapter, tmp_path, where, value, said):
    path = tmp_path / "results.json"
    chapter.save(path)
    raw = json.loads(path.read_text(encoding="utf-8"))
    at = raw
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    path.write_text(json.dumps(raw))
    with pytest.raises(Problem) as caught:
        record.load(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "delete" not in str(caught.value)


def test_a_whole_number_may_stand_for_a_float(chapter, tmp_path):
    path = tmp_path / "results.json"
    chapter.save(path)
    path.write_text(path.read_text(encoding="utf-8").replace("4.5", "4").replace("1.5", "2"))
    lesson = record.load(path).lessons["line"]
    assert (type(lesson.rows[0].value), lesson.seconds) == (float, [2.0])


def test_a_file_with_other_bytes_is_one_line(tmp_path):
    (tmp_path / "results.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(Problem, match="damaged"):
        record.load(tmp_path / "results.json")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(Problem, match=r"cannot read .*No such file"):
        record.load(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("floor", "missed"),
    [
        (Floor("line", "RMSE", at_most=4.5), None),
        (Floor("line", "RMSE", at_most=4.4), "line: RMSE 4.5 is above 4.4"),
        (Floor("line", "RMSE", at_least=4.5), None),
        (Floor("line", "RMSE", at_least=4.6), "line: RMSE 4.5 is below 4.6"),
        (Floor("line", "R²", at_least=0.5), "line: R² was not measured"),
        (Floor("tree", "RMSE", at_most=9.0), "tree: RMSE was not measured"),
    ],
)
def test_floors(floor, missed):
    assert floor.missed_by([row()]) == missed


def test_a_floor_is_missed_by_a_number_that_is_none():
    assert Floor("line", "RMSE", at_most=5.0).missed_by([row(value=math.nan)]) is not None
    assert Floor("line", "RMSE", at_least=5.0).missed_by([row(value=math.nan)]) is not None


def test_floors_hold_the_mean_over_seeds():
    lesson = LessonRecord("", "", rows=[row(value=4.0), row(value=6.0, seeds=(1,))])
    lesson.floors = [Floor("line", "RMSE", at_most=5.1)]
    assert lesson.missed_floors() == []
    lesson.floors = [Floor("line", "RMSE", at_most=4.9)]
    assert lesson.missed_floors() == ["line: RMSE 5 is above 4.9"]


def test_findings_are_means_over_seeds():
    lesson = LessonRecord("", "", facts=[Fact("a", 9.0, "mpg", 0), Fact("b", 7.0), Fact("a", 9.2, "mpg", 1)])
    findings = lesson.findings()
    assert list(findings) == ["a", "b"]
    assert (findings["a"][0].value, findings["a"][1]) == (pytest.approx(9.1), "mpg")
    assert findings["a"][0].low < 9
    assert math.isnan(findings["b"][0].low)


def test_seconds(chapter):
    chapter.lessons["tree"] = LessonRecord("", "", seconds=[2.0, 4.0])
    assert chapter.lessons["tree"].all_seconds == 6.0
    assert chapter.one_seed_seconds == 3.5
