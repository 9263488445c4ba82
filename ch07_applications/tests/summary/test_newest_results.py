"""The results that are read: lesson by lesson the run's before the committed ones, never the asking lesson's."""

from ch07_applications.summary.newest_results import newest_results
from ch07_applications.tests.summary.made_results import chapter, put, row

OWN = "whole_course"


def lessons(root, out, notes=None):
    read = newest_results(root, out, OWN, ([] if notes is None else notes).append)
    return {
        package: {name: lesson.rows[0].value for name, lesson in made.lessons.items()} for package, made in read.items()
    }


def scored(package, value, *names, **more):
    made = chapter(package, names[0], [row("net", "deep", value)], [], **more)
    made.lessons = dict.fromkeys(names, made.lessons[names[0]])
    return made


def test_lesson_by_lesson_the_newest_is_taken_and_its_own_is_not_read(tmp_path):
    put(
        tmp_path / "a",
        scored("ch07_applications", 1, "style/gatys", "video/pose", OWN),
        scored("ch05_cnn", 3, "filters"),
    )
    put(tmp_path / "b", scored("ch07_applications", 2, "video/pose", "video/conv3d", OWN))
    expected = {"ch05_cnn": {"filters": 3}, "ch07_applications": {"style/gatys": 1, "video/pose": 2, "video/conv3d": 2}}
    assert lessons(tmp_path / "a", tmp_path / "b") == expected
    assert list(lessons(tmp_path / "a", tmp_path / "b")) == ["ch05_cnn", "ch07_applications"]


def test_a_run_at_smoke_replaces_nothing(tmp_path):
    put(tmp_path / "a", scored("ch05_cnn", 1, "filters"))
    put(tmp_path / "b", scored("ch05_cnn", 2, "filters", preset="smoke"))
    assert lessons(tmp_path / "a", tmp_path / "b") == {"ch05_cnn": {"filters": 1}}


def test_a_chapter_that_only_this_run_has_measured_is_read_and_nothing_is_left_out(tmp_path):
    put(tmp_path / "a", scored("ch05_cnn", 1, "filters"))
    (tmp_path / "a" / "ch05_cnn" / "results.json").unlink()
    put(tmp_path / "b", scored("ch05_cnn", 2, "filters"))
    notes = []
    assert lessons(tmp_path / "a", tmp_path / "b", notes) == {"ch05_cnn": {"filters": 2}}
    assert notes == []


def test_a_damaged_file_of_the_run_is_named_and_the_committed_one_read(tmp_path):
    put(tmp_path / "a", scored("ch05_cnn", 1, "filters"))
    put(tmp_path / "b", scored("ch05_cnn", 2, "filters"))
    (tmp_path / "b" / "ch05_cnn" / "results.json").write_text("{")
    notes = []
    assert lessons(tmp_path / "a", tmp_path / "b", notes) == {"ch05_cnn": {"filters": 1}}
    assert len(notes) == 1
    assert "ch05_cnn" in notes[0]
