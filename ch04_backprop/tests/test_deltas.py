"""The lecture's two-class softmax: its gradients and its descent are PyTorch's, its end is logistic regression."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from ch04_backprop import deltas
from ch04_backprop.deltas import LEARNING_RATE, STEPS, draw_deltas, train_classifier, two_class_softmax
from common.data import breast_cancer


def tumours(seed=0):
    part = breast_cancer(seed=seed).train.select("mean radius", "mean texture")
    return (part.features - part.features.mean(axis=0)) / part.features.std(axis=0), part.targets


def torch_layer(network):
    linear = network.layers[0]
    return [torch.tensor(parameter.data, requires_grad=True) for parameter in (linear.W, linear.b)]


def test_the_whole_descent_is_pytorch_s():
    x, answers = tumours()
    network = two_class_softmax(2, np.random.default_rng(0))
    W, b = torch_layer(network)
    costs, theirs = train_classifier(network, x, answers), []
    optimiser = torch.optim.SGD([W, b], LEARNING_RATE)
    for step in range(STEPS + 1):
        loss = F.cross_entropy(torch.tensor(x) @ W + b, torch.tensor(answers))
        theirs.append(loss.item())
        if step < STEPS:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert_allclose(costs, theirs, rtol=1e-10)
    assert_allclose(network.layers[0].W.data, W.detach(), rtol=1e-9, atol=1e-12)
    assert_allclose(network.layers[0].b.data, b.detach(), rtol=1e-9, atol=1e-12)
    assert (np.diff(costs) < 0).all()


def test_it_ends_where_logistic_regression_is(monkeypatch):
    x, answers = tumours(1)
    monkeypatch.setattr(deltas, "STEPS", 1500)
    monkeypatch.setattr(deltas, "LEARNING_RATE", 10.0)
    network = two_class_softmax(2, np.random.default_rng(1))
    train_classifier(network, x, answers)
    peer = LogisticRegression(C=np.inf, tol=1e-10).fit(x, answers)
    linear = network.layers[0]
    assert_allclose(linear.W.data @ (-1, 1), peer.coef_[0], rtol=1e-4)
    assert_allclose(linear.b.data @ (-1, 1), peer.intercept_[0], rtol=1e-4)
    assert_allclose(network.forward(x), peer.predict_proba(x), atol=1e-4)


def test_what_is_the_same_in_both_classes_is_never_learned():
    """Softmax cancels it: the deltas of a point sum to 0, and so θ_0 + θ_1 stays what it was."""
    x, answers = tumours()
    network = two_class_softmax(2, np.random.default_rng(2))
    before = network.layers[0].W.data.sum(axis=1)
    train_classifier(network, x, answers)
    assert_allclose(network.layers[0].W.data.sum(axis=1), before, atol=1e-12)


@pytest.mark.parametrize("answer", [0, 1])
def test_the_picture_s_numbers_are_pytorch_s(answer):
    network = two_class_softmax(2, np.random.default_rng(3))
    network.layers[0].W.data[:] = [[0.7, -0.4], [-1.1, 0.3]]
    network.layers[0].b.data[:] = [0.2, -0.1]
    x = np.array([[0.8, -0.5]])
    figure = draw_deltas(x, answer, network)
    drawn = "\n".join(text.get_text() for text in figure.axes[0].texts)
    found = {tuple(key): float(value) for *key, value in re.findall(r"(z|delta)\^(\d)_(\d) = (-?[\d.]+)", drawn)}

    W, b = torch_layer(network)
    z = [torch.tensor(x, requires_grad=True)]
    z.append(z[0] @ W + b)
    z.append(torch.softmax(z[1], dim=1))
    for values in z:
        values.retain_grad()
    cost = -torch.log(z[2][0, answer])
    cost.backward()
    expected = {}
    for number, values in enumerate(z, start=1):
        for k in (0, 1):
            expected["z", str(number), str(k + 1)] = values[0, k].item()
            expected["delta", str(number), str(k + 1)] = values.grad[0, k].item()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(found[key] - value) <= 5.1e-4, key
    assert f"z^4 = C = {cost.item():.3f}" in drawn
    assert r"\delta^4 = 1" in drawn
    assert rf"-\log\, z^3_{answer + 1}" in drawn
