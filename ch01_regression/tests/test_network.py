"""The network's curve is the sum of its learned functions and a constant."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch01_regression.network import HIDDEN, STEPS, fit_network, learned_functions
from common.data import auto_mpg


@pytest.mark.parametrize("steps", [5, 100])
def test_learned_functions_and_a_constant_are_the_curve(steps):
    train = auto_mpg(seed=0).train.select("horsepower")
    model = fit_network(train, steps, seed=0)
    x = np.linspace(40, 240, 50)[:, None]
    functions = learned_functions(model, x)
    assert functions.shape == (50, HIDDEN)
    rest = model.predict(x) - functions.sum(axis=1)
    assert_allclose(rest, rest[0], rtol=1e-10)
    scale, output = model.transformer_, model.regressor_["model"].intercepts_[1]
    assert_allclose(rest[0], scale.mean_ + scale.scale_ * output, rtol=1e-10)


def test_each_function_is_a_tanh_step_of_its_weight():
    train = auto_mpg(seed=0).train.select("horsepower")
    model = fit_network(train, 50, seed=1)
    far = learned_functions(model, np.array([[-1e7], [1e7]]))
    theta = model.regressor_["model"].coefs_[1][:, 0] * model.transformer_.scale_
    assert_allclose(np.abs(far), np.abs(np.stack([theta, theta])), rtol=1e-6)
    assert_allclose(far[0], -far[1], rtol=1e-6)


def test_more_steps_fit_better_and_the_seed_decides_all():
    train = auto_mpg(seed=0).train.select("horsepower")
    rmse = [
        np.sqrt(np.mean((fit_network(train, steps, 0).predict(train.features) - train.targets) ** 2))
        for steps in (1, 5, STEPS)
    ]
    assert rmse[0] > rmse[1] > rmse[2]
    again = fit_network(train, 5, 0).predict(train.features)
    assert_allclose(again, fit_network(train, 5, 0).predict(train.features), rtol=0)
