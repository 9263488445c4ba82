"""The generalised distance transform: for every place, the cheapest other place, distance included, in linear time.

Method     Felzenszwalb & Huttenlocher 2005 ("Pictorial Structures for Object Recognition", §5) and 2012 ("Distance
           Transforms of Sampled Functions", §2). For a function f on a grid,

               D(p) = min over q of  f(q) + a (q − p)²                                                           (1)

           is the lower envelope of parabolas, one rooted at each q. Two parabolas of the same width cross once, at

               s = ((f(q) + a q²) − (f(v) + a v²)) / (2 a (q − v)),

           so one pass from left to right keeps a stack of the parabolas that are lowest somewhere: a new one removes
           those that it covers, and is then pushed on top. In two dimensions, rows come first, then columns.
Differs    All lines of all maps advance together, because a Python loop over them would dominate the time. The envelope
           is read at any point, not only on the grid: a part's rest position beside its parent is not a whole number.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

CHUNK = 4096  # lines at a time: with fewer, Python's share of the time grows; with more, they leave the cache
Lines = Float[np.ndarray, "places lines"]


def lower_envelope(heights: Lines, widths: Float[np.ndarray, "lines"]) -> tuple[Int[np.ndarray, "places lines"], Lines]:
    """The roots of each line's lowest parabolas, and the place from which each is the lowest.

    heights: f. widths: a, positive. The k-th parabola is lowest from starts[k] to starts[k + 1]; unused places
    of the stack start at infinity.
    """
    places, lines = heights.shape
    lifted, double = heights + widths * np.arange(places)[:, None] ** 2, 2 * widths
    roots, starts = np.zeros((places, lines), np.intp), np.full((places, lines), np.inf)
    starts[0], top = -np.inf, np.arange(lines)  # top: of every line's stack, an index of (place, line)
    flat, flat_roots, flat_starts = lifted.ravel(), roots.ravel(), starts.ravel()  # views
    for q in range(1, places):
        crossing = (lifted[q] - lifted[q - 1]) / double  # because the parabola at q − 1 is on top of every stack
        covered = np.flatnonzero(crossing <= flat_starts.take(top))
        while len(covered):  # on these lines, the new parabola covers the one on top, and meets the next one below it
            top[covered] -= lines
            below = top.take(covered)
            v = flat_roots.take(below)
            met = (lifted[q].take(covered) - flat.take(v * lines + covered)) / (double.take(covered) * (q - v))
            crossing[covered] = met
            covered = covered[met <= flat_starts.take(below)]
        top += lines
        flat_roots[top], flat_starts[top] = q, crossing
    starts[np.arange(places)[:, None] > top // lines] = np.inf
    return roots, starts


def transformed_lines(
    heights: Lines, widths: Float[np.ndarray, "lines"], shifts: Float[np.ndarray, "lines"]
) -> tuple[Lines, Int[np.ndarray, "places lines"]]:
    """D(p + shift) at every place p of every line, and the minimising q."""
    places, lines = heights.shape
    values, arguments = np.empty((places, lines)), np.empty((places, lines), np.intp)
    for start in range(0, lines, CHUNK):
        part = slice(start, start + CHUNK)
        own, width, shift = np.ascontiguousarray(heights[:, part]), widths[part], shifts[part]
        roots, starts = lower_envelope(own, width)
        count, every = own.shape[1], np.arange(own.shape[1])
        first = np.clip(np.floor(starts[1:] - shift) + 1, 0, places).astype(np.intp)  # the first p where each is lowest
        found = np.zeros((places + 1, count), np.intp)
        found.ravel()[first * count + every] = roots[1:]  # of several with the same first p, the last one wins
        found = np.maximum.accumulate(found[:places], axis=0, out=arguments[:, part])  # roots grow along the envelope
        values[:, part] = own.ravel().take(found * count + every)
        values[:, part] += width * (found - np.arange(places)[:, None] - shift) ** 2
    return values, arguments


def distance_transform(
    costs: Float[np.ndarray, "maps rows columns"],
    widths: Float[np.ndarray, "maps 2"],
    shifts: Float[np.ndarray, "maps 2"],
) -> tuple[Float[np.ndarray, "maps rows columns"], Int[np.ndarray, "maps rows columns 2"]]:
    """min over q of f(q) + w_x (q_x − p_x − s_x)² + w_y (q_y − p_y − s_y)² for every p, and the (x, y) of that q.

    costs: f, finite. widths, shifts: (x, y) of each map, widths positive. Raises ValueError for others.
    """
    if not (np.isfinite(costs).all() and (widths > 0).all()):
        raise ValueError("costs have to be finite and widths positive: the parabolas cross nowhere else")
    maps, rows, columns = costs.shape
    each = np.arange(maps)[:, None, None]
    lines = costs.transpose(2, 0, 1).reshape(columns, -1).astype(float)
    values, x = transformed_lines(lines, *(np.repeat(array[:, 0], rows) for array in (widths, shifts)))
    values, x = (array.reshape(columns, maps, rows) for array in (values, x))
    lines = values.transpose(2, 1, 0).reshape(rows, -1)
    values, y = transformed_lines(lines, *(np.repeat(array[:, 1], columns) for array in (widths, shifts)))
    values, y = (array.reshape(rows, maps, columns).transpose(1, 0, 2) for array in (values, y))
    x = x.transpose(1, 2, 0)[each, y, np.arange(columns)]  # in the row that the column pass has chosen
    return values, np.stack([x, y], axis=-1)
