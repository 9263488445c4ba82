"""Figures in one style. Drawing functions return a matplotlib Figure; no pyplot, so nothing is global or stays open."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

# Distinguishable with every common colour vision (after Okabe and Ito 2008), dark enough on white.
INK, GREY, PALE = "#1d2433", "#8a93a3", "#d9dee7"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#1f6fb4", "#d97a0a", "#0a8f69", "#c2384f", "#8b5fbf", "#58a9dc"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
TALLEST = 3.0  # of its width: a panel for a picture of any shape

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "image.cmap": "gray",
    "figure.dpi": 130,
}


def style() -> AbstractContextManager:
    """The style, while the block runs: a reader's own matplotlib settings stay untouched."""
    import matplotlib as mpl
    from cycler import cycler

    return mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "axes.prop_cycle": cycler(color=CYCLE)})


def panels(columns: int = 1, rows: int = 1, *, width: float = 4.6, height: float = 3.4, **subplots: Any) -> tuple:
    """A figure of rows × columns axes, each width × height inches, and the axes as Figure.subplots returns them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **subplots)


def panel_height(picture: Shaped[np.ndarray, "height width ..."], width: float) -> float:
    """Inches of height that a picture takes in a panel of this width; at most TALLEST times the width."""
    return width * min(picture.shape[0] / picture.shape[1], TALLEST)


def dots(axis: Axes, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> None:
    """Data points, quiet enough for a curve to stand out above them."""
    axis.plot(x, y, "o", color=INK, alpha=0.35, markersize=3.5, markeredgewidth=0)


def drawn(figure: Figure, draft: bool = False) -> Image:
    """The figure as a picture. draft: small, bare and not laid out, for runs that only ask whether it can be drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    if draft:
        figure.set_layout_engine("none")
        figure.set_dpi(40)
        for axis in figure.axes:
            axis.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def png(figure: Figure, draft: bool = False) -> bytes:
    """The figure as PNG. The same figure gives the same bytes: no date, no version inside.

    256 colours, the picture's own, are enough for axes and curves, and make a file of a third of the size.
    """
    buffer = io.BytesIO()
    drawn(figure, draft).quantize(256, dither=0).save(buffer, format="png", optimize=not draft)
    return buffer.getvalue()


def moving_png(frames: Sequence[Figure], draft: bool = False, milliseconds: int = 220) -> bytes:
    """The figures as one PNG that moves and starts over, which browsers show as they show any picture.

    Each stands for so many milliseconds, the last for a second more. To keep the file small, all share 96 colours,
    those of the one in the middle.
    """
    pictures = [drawn(frame, draft) for frame in frames]
    colours = pictures[len(pictures) // 2].quantize(96)
    colours.putpalette([255 if level > 247 else level for level in colours.getpalette()])  # white stays white
    first, *others = (picture.quantize(palette=colours, dither=0) for picture in pictures)
    times = [milliseconds] * len(others) + [milliseconds + 1000]
    buffer = io.BytesIO()
    first.save(buffer, format="png", save_all=True, append_images=others, duration=times, loop=0)
    return buffer.getvalue()


def gallery(
    images: Sequence[Shaped[np.ndarray, "height width *channels"]] | Shaped[np.ndarray, "n height width *channels"],
    titles: Sequence[str],
    columns: int = 6,
    size: float = 1.15,
) -> Figure:
    """Small pictures in rows, a title over each. Grey ones are drawn in ink on paper: black is 0 and becomes white."""
    lines = 1 + max((title.count("\n") for title in titles), default=0)
    height = size + 0.15 + 0.15 * lines
    figure, axes = panels(columns, -(-len(images) // columns), width=size, height=height, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        axis.set_title(title, fontsize=9)
    return figure


def draw_training(
    losses: Sequence[float], epochs: float, label: str, learning_rates: Sequence[float] | None = None
) -> Figure:
    """The loss of every step and its running mean. learning_rates: of every step, as a share of their peak."""
    figure, axis = panels(width=5.4, height=3.2)
    steps, width = np.arange(len(losses)) * epochs / len(losses), max(1, len(losses) // 40)
    mean = np.convolve(losses, np.full(width, 1 / width), mode="valid")
    axis.plot(steps, losses, color=PALE, linewidth=0.8)
    axis.plot(steps[width // 2 :][: len(mean)], mean, color=BLUE, label="loss, running mean")
    if learning_rates is not None:
        axis.plot(steps, learning_rates, color=ORANGE, label="learning rate / its peak")
    top = float(np.quantile(losses, 0.99))
    axis.set(xlabel="epochs", ylabel=label, ylim=(0, max(top, 1.05) if learning_rates is not None else top))
    axis.legend()
    return figure
