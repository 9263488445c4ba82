"""Under torchrun: objects and windows are not spread evenly over processes, and yet the step is that of one process."""

from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose

from ch06_detection.tests.shared_batches import LOSSES, train
from tests.two_processes import run_as_two

pytestmark = pytest.mark.xdist_group("two processes of chapter 6")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The results of two processes."""
    return run_as_two("ch06_detection.tests.shared_batches", tmp_path_factory.mktemp("two") / "kept.json")


@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_take_the_step_of_one(two, name):
    network, history = train(name)
    assert_allclose(two[name]["losses"], history.losses, rtol=1e-5)
    for key, value in network.state_dict().items():
        assert_allclose(torch.tensor(two[name]["weights"][key]), value, rtol=1e-4, atol=1e-6)
