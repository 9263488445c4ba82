"""The graph that a tensor remembers: every value, what it was computed from, and its gradient.

Question   How does a program find the backward pass of any expression?
Method     autograd.py: run the expression, keep the graph, and walk it back from the youngest node; where paths meet,
           their gradients add up. That is the chain rule of two paths, ∂f/∂u = ∂f/∂g ∂g/∂u + ∂f/∂h ∂h/∂u, once per
           node.
Rival      PyTorch, on the same expressions; and finite differences.
Differs    The lecture names automatic differentiation in passing. autograd.py shows how frameworks do it.
Costs      3 s on two cores.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ch04_backprop.autograd import Tensor
from common import plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = 50_000  # operations in a chain


def neuron() -> dict[str, Tensor]:
    """y = tanh(w₁ x₁ + w₂ x₂ + b) and its squared distance from 1, with every step by name."""
    named = {name: Tensor(value, requires_grad=True) for name, value in [("x₁", 2.0), ("w₁", -0.6), ("x₂", 1.0)]}
    named |= {name: Tensor(value, requires_grad=True) for name, value in [("w₂", 0.5), ("b", 0.3)]}
    named["w₁x₁"] = named["w₁"] * named["x₁"]
    named["w₂x₂"] = named["w₂"] * named["x₂"]
    named["sum"] = named["w₁x₁"] + named["w₂x₂"]
    named["z"] = named["sum"] + named["b"]
    named["y = tanh z"] = named["z"].tanh()
    named["1 − y"] = 1 - named["y = tanh z"]
    named["C = (1−y)²"] = named["1 − y"] * named["1 − y"]  # one node, used twice
    return named


def columns(result: Tensor) -> dict[int, int]:
    """The column of each node by id: right of all its operands; a leaf just left of its first use."""
    column: dict[int, int] = {}
    oldest_first = result.history()[::-1]
    for node in oldest_first:
        column[id(node)] = max((1 + column[id(operand)] for operand in node.operands()), default=0)
    for leaf in (node for node in oldest_first if not node.operands()):
        column[id(leaf)] = min(column[id(n)] for n in oldest_first if any(leaf is o for o in n.operands())) - 1
    return column


def draw_graph(named: dict[str, Tensor]) -> Figure:
    """Nodes from left to right, each with its value (blue) and its gradient (orange); arrows from operand to result."""
    from matplotlib.patches import FancyBboxPatch

    nodes, column = list(named.items()), columns(list(named.values())[-1])
    place: dict[int, np.ndarray] = {}
    for step in range(max(column.values()) + 1):
        own = [node for _, node in nodes if column[id(node)] == step]
        place |= {id(node): np.array([1.5 * step, (len(own) - 1) / 2 - row]) for row, node in enumerate(own)}
    figure, axis = plots.panels(width=10.4, height=3.4)
    axis.set(xlim=(-0.6, 1.5 * max(column.values()) + 0.6), ylim=(-2.0, 2.0))
    axis.axis("off")
    for name, node in nodes:
        here = place[id(node)]
        axis.add_patch(
            FancyBboxPatch(here - (0.42, 0.28), 0.84, 0.56, boxstyle="round,pad=0.06", fc="white", ec=plots.GREY)
        )
        for text, height, colour in (
            (name, 0.2, plots.INK),
            (f"{node.item():.3f}", 0.0, plots.BLUE),
            (f"{float(node.grad):.3f}", -0.2, plots.ORANGE),
        ):
            style = {"ha": "center", "va": "center", "fontsize": 8.5, "color": colour}
            axis.text(here[0], here[1] + height, text.replace("-", "−"), **style)
        operands = node.operands()
        for number, operand in enumerate(operands):
            twice = sum(operand is other for other in operands) > 1
            bend = f"arc3,rad={0.45 - 0.9 * number}" if twice else "arc3"
            arrow = {"arrowstyle": "-|>", "color": plots.GREY, "connectionstyle": bend}
            axis.annotate("", xy=here - (0.48, 0), xytext=place[id(operand)] + (0.48, 0), arrowprops=arrow)
    return figure


def expression(x: Tensor, w: Tensor) -> Tensor:
    """An arbitrary expression, which serves to compare engines."""
    hidden = (x @ w).tanh()
    return ((hidden * hidden.sigmoid()).sum(axis=1).max() + (1 + w**2).log().mean()) / (1 + hidden.exp().mean())


def lesson(run: Run) -> None:
    import torch

    named = neuron()
    for node in named.values():
        node.retain_grad()
    list(named.values())[-1].backward(retain_graph=True)
    run.figure(
        "neuron",
        draw_graph,
        named,
        caption="A neuron and its cost. Blue: values, from left to right. Orange: ∂C/∂node, from right to left. "
        "1 − y is used twice in its own square, so that two gradients meet in it and add up.",
    )

    arrays = run.rng.normal(size=(6, 4)), run.rng.normal(size=(4, 3))
    ours = [Tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    expression(*ours).backward()
    h = (theirs[0] @ theirs[1]).tanh()
    t = ((h * h.sigmoid()).sum(dim=1).max() + (1 + theirs[1] ** 2).log().mean()) / (1 + h.exp().mean())
    t.backward()
    gap = max(float(np.abs(a.grad - b.grad.numpy()).max()) for a, b in zip(ours, theirs, strict=True))
    run.fact("largest difference from PyTorch's gradients", gap)

    seconds = []
    for kind in (Tensor, lambda value, requires_grad: torch.tensor(value, requires_grad=requires_grad)):
        start, x = time.perf_counter(), kind(1.0, requires_grad=True)
        y = x
        for _ in range(run.pick(smoke=LONG // 50, lecture=LONG)):
            y = y * 1.00001
        y.backward()
        seconds.append(time.perf_counter() - start)
    run.fact(f"{LONG:,} products in a chain, forward and backward: our seconds over PyTorch's", seconds[0] / seconds[1])
    run.note(
        "Because backward walks a list and does not call itself, a graph may be as deep as memory allows. On a chain "
        f"of products of single numbers our engine takes {seconds[0] / seconds[1]:.1f} times as long as PyTorch."
    )
