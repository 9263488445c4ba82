"""Facts of a few seeds that cannot be negative: their range where Student's interval would mislead."""

import pytest

from common.record import Fact, LessonRecord
from common.results import Range, mean_interval, mean_or_range
from common.tables import fact_sheet, plus_minus


@pytest.mark.parametrize("values", [[96.0, 100.0, 108.0], [-1.0, 3.0], [5.0], [1.0, 2.0, 90.0, 91.0]])
def test_an_interval_that_makes_sense_stays_and_so_does_one_of_more_seeds_or_of_signed_values(values):
    assert mean_or_range(values).ends[0] == mean_interval(values).value
    assert not isinstance(mean_or_range(values), Range)


@pytest.mark.parametrize("values", [[350.0, 100.0], [0.0, 64.0, 120.0]])
def test_an_interval_that_reaches_below_0_gives_way_to_the_range(values):
    found = mean_or_range(values)
    assert isinstance(found, Range)
    assert found.ends == (sum(values) / len(values), min(values), max(values))


def test_a_range_reads_as_one():
    assert plus_minus(mean_or_range([100.0, 350.0])) == "225 (100 to 350)"
    facts = [Fact("overtakes at", value, "images", seed) for seed, value in enumerate((950.0, 5520.0))]
    assert fact_sheet(LessonRecord("", "", facts=facts).findings()).cells == [
        ["overtakes at", "3,235 (950 to 5,520) images"]
    ]


def test_seeds_that_agree_have_neither():
    assert plus_minus(mean_or_range([0.0, 0.0, 0.0])) == "0"
