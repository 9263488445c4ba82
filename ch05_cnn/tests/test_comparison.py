"""The comparison: where a curve crosses another, and which methods are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from ch05_cnn import comparison
from ch05_cnn.drawings.comparison import draw_accuracies, draw_errors
from common.record import Fact, LessonRecord
from common.results import Row


def test_it_overtakes_where_the_lines_cross():
    # Over log n the errors fall from 40 to 20 and from 60 to 10: they cross where 40 − 20 t = 60 − 50 t, t = 2/3.
    assert comparison.overtaken_at([100, 10_000], [40, 20], [60, 10]) == pytest.approx(100 * 100 ** (2 / 3))


def test_one_that_is_ahead_from_the_start_overtakes_there():
    assert comparison.overtaken_at([100, 1000], [40, 20], [30, 10]) == 100


def test_one_that_ends_behind_has_not_overtaken():
    assert comparison.overtaken_at([100, 300, 1000], [40, 20, 10], [60, 15, 11]) is None


@given(st.lists(st.tuples(st.floats(1, 90), st.floats(1, 90)), min_size=2, max_size=6))
def test_beyond_it_the_rival_is_never_ahead_again(errors):
    sizes = [100 * 2**k for k in range(len(errors))]
    rival, learned = (list(column) for column in zip(*errors, strict=True))
    where = comparison.overtaken_at(sizes, rival, learned)
    beyond = [a > b for n, a, b in zip(sizes, rival, learned, strict=True) if where and n > 1.000001 * where]
    assert all(beyond)
    assert (where is None) == (learned[-1] >= rival[-1])


def test_figures_show_the_means_over_seeds():
    settings = {"lesson": "comparison", "metric": "accuracy", "low": 0.0, "high": 100.0, "n": 9}
    rows = [
        Row(method=f"A: {method}", kind=how.kind, value=90.0 + place + seed, seeds=(seed,), **settings)
        for place, (method, how) in enumerate(comparison.CONTENDERS.items())
        for seed in (0, 1, 2)
    ]
    facts = [
        Fact(f"A, 100 images: error of {method}", 20.0 + 2 * seed, "%", seed)
        for method in comparison.CURVED
        for seed in (0, 1, 2)
    ]
    record = LessonRecord("", "", rows=rows, facts=facts)
    axis = draw_accuracies(record, ["A"], {name: how.colour for name, how in comparison.CONTENDERS.items()}).axes[0]
    dots = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert dots == [91.0 + place for place in range(len(comparison.CONTENDERS))]
    half = t.ppf(0.975, 2) / 3**0.5  # of the interval of three values with standard deviation 1
    axis = draw_errors(record, {"A": [100, 500]}, dict.fromkeys(comparison.CURVED, "black")).axes[0]
    dots = [line.get_ydata().tolist() for line in axis.lines if line.get_marker() == "o"]
    ends = [[segment[:, 1].tolist() for segment in bars.get_segments()] for bars in axis.collections]
    for k, method in enumerate(comparison.CURVED):
        error = 9 - list(comparison.CONTENDERS).index(method)
        assert dots[k] == [22, error]
        assert ends[k][0] == pytest.approx([22 - 2 * half, 22 + 2 * half])
        assert ends[k][1] == pytest.approx([error - half, error + half])


def test_every_contender_says_what_it_is():
    kinds = [contender.kind for contender in comparison.CONTENDERS.values()]
    assert set(kinds) == {"classical", "deep"}
    assert len({contender.colour for contender in comparison.CONTENDERS.values()}) == len(kinds)
