"""Rows as tables: one layout for the terminal, for a README and for the report page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.paired import Comparison
from common.results import Interval, Range, Row

if TYPE_CHECKING:
    from rich.table import Table

    from common.console import Console
    from common.record import LessonRecord, PaperClaim

ARROWS = {True: " ↑", False: " ↓", None: ""}  # which way is better

LONG = 10  # methods; a longer scoreboard is split where methods are judged on different items

TELLING = (  # benchmarks that stand for the rest, two of them lost: by name and peer
    ("a step of 784-128-10, batch 256: our autograd", "PyTorch"),
    ("MNIST, 60,000 digits, until 99% of the test digits are right", "PyTorch's basic MNIST example"),
    ("conv2d, forward and backward, 64×16×28×28, 32 kernels of 5×5", "PyTorch"),
    ("HOG: photo 512×512, blocks of 2×2", "skimage.feature.hog"),
    ("mAP: 500 images, many detections (40079)", "pycocotools"),
    ("sliding window: frame 768×576, 9 levels", "cv2 detectMultiScale"),
)


@dataclass(frozen=True)
class Sheet:
    """A table as text: the first columns are words, the rest are numbers and stand right."""

    header: list[str]
    cells: list[list[str]]
    words: int = 2


def number(value: float | None, spread: float = math.nan) -> str:
    """value with the digits that its spread supports: two significant ones of the spread; four where there is none, and
    none after the point of a whole number."""
    if value is None:
        return "–"
    return _digits(value, spread).replace("-", "−", 1) if value < 0 else _digits(value, spread)


def _digits(value: float, spread: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isfinite(spread) and spread > 0:
        digits = max(0, 1 - math.floor(math.log10(spread)))
        if digits <= 6:
            return f"{value:,.{digits}f}"
    if float(value).is_integer() and abs(value) < 1e15 and (not spread > 0 or abs(value) >= 1e6):  # as exact as a count
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"
    return f"{value:.3g}"


def plus_minus(interval: Interval) -> str:
    """mean ± half-width, or the bare value where there is no interval; of a Range mean (smallest to largest)."""
    half = interval.half_width
    if isinstance(interval, Range) and half > 0:
        return f"{number(interval.value, half)} ({number(interval.low, half)} to {number(interval.high, half)})"
    if math.isnan(half) or half <= 1e-5 * abs(interval.value):
        return number(interval.value)
    if interval.value and not 1e-3 <= abs(interval.value) < 1e6:
        power = 10.0 ** math.floor(math.log10(abs(interval.value)))
        return f"({plus_minus(Interval(*(end / power for end in interval.ends)))}) × {power:.0e}"
    return f"{number(interval.value, half)} ± {number(half, half)}"


def seconds(value: float | None) -> str:
    """Seconds with two digits that count; the scoreboard compares, it does not benchmark."""
    if value is None:
        return "–"
    return f"{value:.1f}" if value >= 0.95 else f"{value:.2g}" if value >= 1e-3 else "<0.001"


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def scoreboard(rows: Sequence[Row]) -> Sheet:
    """One line per method, one column per metric, no empty column. rows: of one lesson, combined over seeds.

    Where the seeds of some methods are one and the same run (nothing in them is random), a column says how many runs
    each mean is over.
    """
    metrics = list(dict.fromkeys((row.metric, row.unit, row.higher_is_better) for row in rows))
    alike, cells = len({len(row.seeds) for row in rows}) == 1, []
    for method in dict.fromkeys(row.method for row in rows):
        mine = {row.metric: row for row in rows if row.method == method}
        first = next(iter(mine.values()))
        scores = [plus_minus(mine[metric].interval) if metric in mine else "–" for metric, _, _ in metrics]
        timing = [seconds(first.fit_seconds), seconds(first.predict_seconds)]
        runs = "–" if alike else count(len(first.seeds))
        cells.append([method, first.kind, *scores, count(first.n), runs, count(first.parameters), *timing])
    heads = [f"{metric}{ARROWS[higher]}" + (f" ({unit})" if unit else "") for metric, unit, higher in metrics]
    header = ["method", "kind", *heads, "n", "runs", "numbers kept", "fit s", "predict s"]
    told = [i for i in range(len(header)) if any(line[i] != "–" for line in cells)]
    return Sheet([header[i] for i in told], [[line[i] for i in told] for line in cells])


def scoreboards(rows: Sequence[Row]) -> list[Sheet]:
    """The scoreboard; of more than LONG methods, a table for those judged alike, a method by itself in the first."""
    methods: dict[str, list[Row]] = {}
    for row in rows:
        methods.setdefault(row.method, []).append(row)
    groups: list[list[str]] = []
    for name, own in methods.items():
        alike = [group for group in groups if _judged_alike(methods[group[0]], own)]
        groups = groups if alike else [*groups, []]
        (alike[0] if alike else groups[-1]).append(name)
    tables = [set(group) for group in groups if len(group) > 1]
    if len(methods) <= LONG or not tables:
        return [scoreboard(rows)]
    tables[0] |= {group[0] for group in groups if len(group) == 1}
    return [scoreboard([row for row in rows if row.method in table]) for table in tables]


def _judged_alike(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether two methods share a metric and have equally many items, both or neither of them validation items."""
    metrics = {row.metric for row in one} & {row.metric for row in other}
    of_validation = ["validation" in each[0].method for each in (one, other)]
    return bool(metrics) and one[0].n == other[0].n and of_validation[0] == of_validation[1]


def fact_sheet(findings: Mapping[str, tuple[Interval, str]]) -> Sheet:
    """Facts and their values, one a line."""
    return Sheet(["measured", "value"], [[name, with_unit(value, unit)] for name, (value, unit) in findings.items()], 1)


def with_unit(value: Interval, unit: str) -> str:
    return f"{plus_minus(value)} {unit}".strip()


def verdicts(comparisons: Sequence[Comparison]) -> list[str]:
    """Each comparison in a sentence, which says "beats" only where the paired test is significant."""
    return [_verdict(c) for c in comparisons]


def _verdict(c: Comparison) -> str:
    if c.winner is None:
        return f"{c.a} and {c.b}: not significantly different in {c.metric} ({gap(c)}, {p_value(c)}; {tested(c)})."
    loser = c.b if c.winner == c.a else c.a
    way = "higher" if c.higher_is_better else "lower"
    return f"{c.winner} beats {loser}: {c.metric} {way} by {gap(c)}, {p_value(c)} ({tested(c)})."


def gap(c: Comparison) -> str:
    """The difference with its interval: without a sign where there is a winner, else a's metric minus b's."""
    difference, half = abs(c.difference) if c.winner else c.difference, (c.high - c.low) / 2
    return with_unit(Interval(difference, difference - half, difference + half), c.unit)


def p_value(c: Comparison) -> str:
    """The corrected p-value."""
    return f"p {'< 0.001' if c.p_value < 0.001 else f'= {c.p_value:.3g}'}"


def tested(c: Comparison) -> str:
    """The test in words: what it draws from, and how many comparisons its p-value is corrected for."""
    items = plural(c.n, "item") + (f" in {plural(c.groups, 'group')}" if c.groups else "")
    test = f"t over {c.seeds} seeds and {items}" if c.seeds > 1 else f"{c.test}, {items}"
    return test + (f", Holm over {c.family}" if c.family > 1 else "")


def plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def spread(seeds: int) -> str:
    """What ± means in a table of so many seeds, in words."""
    return "± is the test set's own 95 % interval" if seeds == 1 else f"mean over {seeds} seeds ± its 95 % interval"


def claim_line(c: PaperClaim) -> str:
    """A claim and its verdict in a line."""
    if c.is_ours:
        return f"our own question: {c.claim}: {c.verdict} ({c.ours}; {c.against})"
    return f"claim: {c.claim} ({c.source}): {c.verdict} ({c.ours}; {c.against}; the paper: {c.paper})"


def bench_sheet(rows: Sequence[Mapping]) -> Sheet:
    """Benchmarks: how many times the peer's speed, and the mark that was set."""
    cells = [[r["name"], r["peer"], *(times(r[key]) for key in ("ratio", "at_least"))] for r in rows]
    return Sheet(["benchmark", "peer", "our speed over the peer's", "at least"], cells)


def times(ratio: float) -> str:
    """A factor with two digits that count, or all before the point: 0.33×, 1.2×, 3×, 47×, 18,653×."""
    rounded = f"{ratio:,.{0 if ratio >= 9.95 else 1 if ratio >= 0.995 else 2}f}"
    return f"{rounded.rstrip('0').rstrip('.') if '.' in rounded else rounded}×"


def bench_markdown(rows: Sequence[Mapping]) -> str:
    """The benchmarks as GitHub tables: the TELLING ones, and the others, folded."""
    shown = [row for name in TELLING for row in rows if (row["name"], row["peer"]) == name]
    others = [row for row in rows if row not in shown]
    fold = f"<details><summary>The other {len(others)}</summary>\n\n{markdown(bench_sheet(others))}\n\n</details>"
    return "\n\n".join([markdown(bench_sheet(shown)), *([fold] if others else [])])


def markdown(sheet: Sheet) -> str:
    """The sheet as a GitHub table."""
    rules = ["---" if i < sheet.words else "---:" for i in range(len(sheet.header))]
    lines = [[cell.replace("|", "\\|") for cell in line] for line in [sheet.header, rules, *sheet.cells]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdowns(sheets: Sequence[Sheet]) -> str:
    """Sheets below each other, as GitHub tables."""
    return "\n\n".join(map(markdown, sheets))


def terminal(sheet: Sheet, title: str | None = None) -> Table:
    """The sheet as a rich table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(sheet.header):
        table.add_column(name, justify="left" if i < sheet.words else "right", overflow="fold")
    for line in sheet.cells:
        table.add_row(*line)
    return table


def show_scoreboard(lessons: Mapping[str, LessonRecord], seeds: int, console: Console) -> None:
    """Print the scoreboard of every lesson that scored something."""
    console.rule(f"Scoreboard · {spread(seeds)}")
    for name, lesson in lessons.items():
        if scores := lesson.scores():
            for number, sheet in enumerate(scoreboards(scores)):
                console.say(terminal(sheet, title=None if number else name))
