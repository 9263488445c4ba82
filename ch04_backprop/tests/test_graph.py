"""The drawing is the graph: every value and gradient equals PyTorch's, every arrow points to the right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ch04_backprop.autograd import Tensor, concatenate
from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.graph import columns, draw_graph, expression, neuron


def torch_neuron():
    """The neuron's nodes by name, gradients included."""
    named = {"x₁": 2.0, "w₁": -0.6, "x₂": 1.0, "w₂": 0.5, "b": 0.3}
    named = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in named.items()}
    named["w₁x₁"], named["w₂x₂"] = named["w₁"] * named["x₁"], named["w₂"] * named["x₂"]
    named["sum"] = named["w₁x₁"] + named["w₂x₂"]
    named["z"] = named["sum"] + named["b"]
    named["y = tanh z"] = torch.tanh(named["z"])
    named["1 − y"] = 1 - named["y = tanh z"]
    named["C = (1−y)²"] = named["1 − y"] ** 2
    for node in named.values():
        node.retain_grad()
    named["C = (1−y)²"].backward()
    return named


def walked_neuron():
    named = neuron()
    for node in named.values():
        node.retain_grad()
    named["C = (1−y)²"].backward(retain_graph=True)
    return named


def test_every_value_and_gradient_of_the_neuron():
    ours, theirs = walked_neuron(), torch_neuron()
    assert ours.keys() == theirs.keys()
    for name, node in ours.items():
        assert_allclose(node.data, theirs[name].detach(), rtol=1e-12, err_msg=name)
        assert_allclose(node.grad, theirs[name].grad, rtol=1e-12, err_msg=name)


def boxes(axis):
    """The texts of each box of the picture, (name, value, gradient), and the place of its name."""
    texts = list(axis.texts)
    written = [text for text in texts if text.get_text()]  # an arrow is an annotation without words
    for name, value, gradient in zip(*(iter(written),) * 3, strict=True):
        yield tuple(text.get_text().replace("−", "-") for text in (name, value, gradient)), name.get_position()


def test_the_numbers_in_the_picture_are_pytorch_s():
    (axis,) = draw_graph(walked_neuron()).axes
    theirs = {name.replace("−", "-"): node for name, node in torch_neuron().items()}
    drawn = {name: (float(value), float(gradient)) for (name, value, gradient), _ in boxes(axis)}
    assert drawn.keys() == theirs.keys()
    for name, node in theirs.items():
        assert_allclose(drawn[name], [node.item(), node.grad.item()], atol=5.1e-4, err_msg=name)


def test_no_two_boxes_share_a_place_and_every_arrow_runs_to_the_right():
    (axis,) = draw_graph(walked_neuron()).axes
    places = [place for _, place in boxes(axis)]
    assert len(set(places)) == len(places)
    arrows = [text for text in axis.texts if not text.get_text()]
    assert len(arrows) == 12  # two operands each for six nodes; tanh and 1 − y have one and a constant
    assert all(arrow.xy[0] > arrow.xyann[0] for arrow in arrows)


def leaf():
    return Tensor(np.ones((2, 2)), requires_grad=True)


def plain():
    x = leaf()
    return [x, x * 2]


def diamond():
    x, late = leaf(), leaf()
    y = x.tanh()
    left, right = y.exp(), y * y
    return [x, late, y, left, right, left + right, (left + right) * late]


def long_and_short():
    x = leaf()
    a = x.exp().exp().exp()
    return [x, a, concatenate([a, x]).max()]


def constants():
    x = leaf()
    return [x, (x @ np.ones((2, 2)) + 1) * Tensor(np.ones(2))]


@pytest.mark.parametrize("build", [plain, diamond, long_and_short, constants, lambda: list(neuron().values())])
def test_columns(build):
    *_, result = kept = build()
    column, nodes = columns(result), result.history()
    assert column.keys() == {id(node) for node in nodes}
    assert min(column.values()) >= 0
    for node in nodes:
        behind = [column[id(operand)] for operand in node.operands()]
        assert all(column[id(node)] > place for place in behind)
        if node.operands() and any(operand.operands() for operand in node.operands()):
            inner = [column[id(operand)] for operand in node.operands() if operand.operands()]
            assert column[id(node)] == 1 + max(inner)  # no farther right than need be
        if not node.operands():
            uses = [column[id(n)] for n in nodes if any(operand is node for operand in n.operands())]
            assert column[id(node)] == min(uses) - 1
    assert column[id(result)] == max(column.values())
    assert kept


def test_the_expression_s_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    x, w = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((6, 4), (4, 3)))
    expression(x, w).backward()
    for tensor in (x, w):
        slopes = finite_differences(lambda: expression(Tensor(x.data), Tensor(w.data)).item(), tensor.data)
        assert_allclose(tensor.grad, slopes, rtol=1e-6, atol=1e-9)
