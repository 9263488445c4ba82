"""The generalised distance transform: for every place, the cheapest other place, distance included, in linear time.

Method     Felzenszwalb & Huttenlocher 2005 ("Pictorial Structures for Object Recognition", §5) and 2012 ("Distance
           Transforms of Sampled Functions", §2). Of a function f on a grid,

               D(p) = min over q of  f(q) + a (q − p)²                                                           (1)

           is the lower envelope of parabolas, one rooted at each q. Two parabolas of the same width cross once, at

               s = ((f(q) + a q²) − (f(v) + a v²)) / (2 a (q − v)),

           so one pass from left to right keeps a stack of the parabolas that are lowest somewhere: a new one removes
           those that it covers, and is then put on top. In two dimensions, rows first, then columns.
Differs    All lines of all maps advance together, for a loop over them in Python would take all the time. The envelope
           is read at any point, not only on the grid: where a part rests beside its parent is no whole number.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

CHUNK = 1024  # lines at work at a time: the arrays of a step stay in the processor's cache
Lines = Float[np.ndarray, "places lines"]


def lower_envelope(heights: Lines, widths: Float[np.ndarray, "lines"]) -> tuple[Int[np.ndarray, "places lines"], Lines]:
    """Of every line, the roots of the parabolas of its lower envelope, and from where each is the lowest.

    heights: f. widths: a, positive. The k-th parabola is the lowest from starts[k] to starts[k + 1]; unused places
    of the stack start at infinity.
    """
    places, lines = heights.shape
    lifted, every = heights + widths * np.arange(places)[:, None] ** 2, np.arange(lines)
    roots, starts = np.zeros((places, lines), np.intp), np.full((places, lines), np.inf)
    starts[0], top = -np.inf, np.zeros(lines, np.intp)
    flat, flat_roots, flat_starts = lifted.ravel(), roots.ravel(), starts.ravel()  # views: (place, line) is one number
    for q in range(1, places):
        line, at, height, width = every, top * lines + every, lifted[q], 2 * widths
        while len(line):
            v = flat_roots.take(at)
            crossing = (height - flat.take(v * lines + line)) / (width * (q - v))
            stays = crossing > flat_starts.take(at)  # the parabola on top is the lowest somewhere: the new one is next
            above = at[stays] + lines
            flat_roots[above], flat_starts[above], top[line[stays]] = q, crossing[stays], above // lines
            covered = np.flatnonzero(~stays)
            line, at, height, width = line[covered], at[covered] - lines, height[covered], width[covered]
    starts[np.arange(places)[:, None] > top] = np.inf
    return roots, starts


def transformed_lines(
    heights: Lines, widths: Float[np.ndarray, "lines"], shifts: Float[np.ndarray, "lines"]
) -> tuple[Lines, Int[np.ndarray, "places lines"]]:
    """D(p + shift) at every place p of every line, and the q where the minimum is."""
    places, lines = heights.shape
    values, arguments = np.empty((places, lines)), np.empty((places, lines), np.intp)
    for start in range(0, lines, CHUNK):
        part = slice(start, start + CHUNK)
        own, width, shift = heights[:, part], widths[part], shifts[part]
        roots, starts = lower_envelope(own, width)
        found, count = arguments[:, part], own.shape[1]
        at = np.arange(count)  # the numbers of (place on the stack, line)
        following = np.concatenate([starts[1:], np.full((1, count), np.inf)]).ravel()
        for p in range(places):
            behind = np.flatnonzero(following.take(at) < p + shift)
            while len(behind):  # the next parabola, as long as it has begun
                at[behind] += count
                behind = behind[following.take(at[behind]) < p + shift[behind]]
            found[p] = roots.ravel().take(at)
        away = found - np.arange(places)[:, None] - shift
        values[:, part] = np.take_along_axis(own, found, axis=0) + width * away**2
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
    x = x.transpose(1, 2, 0)[each, y, np.arange(columns)]  # of the row that the column's pass has chosen
    return values, np.stack([x, y], axis=-1)
