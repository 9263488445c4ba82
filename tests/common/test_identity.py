"""Equal things have one identity, in another process, too; those that differ in a number or a line have another."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from common.checkpoints import SAMPLE, of_data
from common.identity import identity
from tests.checkout import ROOT


@dataclass
class Settings:
    rate: float
    names: tuple[str, ...] = ()


class Plain:
    def __init__(self, **values):
        self.__dict__.update(values)

    def method(self):
        return self


def function(x, by=2.0):
    return by * x


def closure(number):
    return lambda x: x + number


def things():
    """Made anew at each call; no two are alike."""
    torch.manual_seed(0)
    return {
        "0": 0, "0.0": 0.0, "False": False, "None": None, "'0'": "0", "b'0'": b"0", "()": (), "[]": [], "{}": {},
        "int32": np.arange(4, dtype=np.int32), "int64": np.arange(4), "shape": np.arange(4).reshape(2, 2),
        "strided": np.arange(8)[::2], "tensor": torch.arange(4), "bfloat16": torch.ones(3).bfloat16(),
        "float16": torch.ones(3).half(), "empty": torch.zeros(0, 4), "empty, other shape": torch.zeros(4, 0),
        "transposed": torch.arange(6.0).reshape(2, 3).T, "objects": np.array([1], object), "scalar": torch.ones(()),
        "settings": Settings(0.1), "other settings": Settings(0.2), "with names": Settings(0.1, ("a",)),
        "plain": Plain(a=1), "plain, other": Plain(a=2), "plain, more": Plain(a=1, b=2), "method": Plain(a=1).method,
        "function": function, "partial": partial(function, by=3.0), "partial, other": partial(function, by=4.0),
        "lambda": lambda x: x + 1, "lambda, other": lambda x: x + 2, "closure": closure(1), "closed": closure(2),
        "class": Settings, "builtin": len, "builtin, other": abs, "dict": {"a": 1}, "dict, other": {"a": 2},
        "ordered": OrderedDict(a=1), "set": {"b", "a"}, "nested": [1, [2]], "nested, other": [[1], 2],
        "module": nn.Linear(2, 2), "loss": nn.CrossEntropyLoss(), "smooth": nn.CrossEntropyLoss(label_smoothing=0.1),
        "torch's function": nn.functional.cross_entropy, "dtype": torch.float32, "device": torch.device("cpu"),
    }  # fmt: skip


def test_equal_things_are_equal_and_others_are_not():
    found = {name: identity(value) for name, value in things().items()}
    assert found == {name: identity(value) for name, value in things().items()}
    assert len(set(found.values())) == len(found)
    assert all(len(word) == 16 for word in found.values())


def test_how_things_lie_in_memory_does_not_matter():
    grid = torch.arange(6.0).reshape(2, 3)
    assert identity(grid.T) == identity(grid.T.contiguous())
    assert identity(np.asfortranarray(grid.numpy())) == identity(grid.numpy())


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_one_number_among_many_is_seen(kind):
    many = np.zeros((300, 30, 30), np.uint8)
    before = identity(kind(many.copy()))
    many[217, 4, 29] = 1
    assert identity(kind(many)) != before


def test_what_holds_itself_has_an_identity():
    circle = [1]
    circle.append(circle)
    other = [2]
    other.append(other)
    assert identity(circle) != identity(other)
    plain = Plain(a=1)
    plain.me = plain
    assert identity(plain) == identity(plain)


def test_another_process_finds_the_same():
    program = (
        "from tests.common.test_identity import identity, things\n"
        "for name, value in things().items(): print(identity(value), name)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    found = dict(reversed(line.split(" ", 1)) for line in done.stdout.splitlines())
    for name, value in things().items():
        assert found[name] == identity(value), name


class Batches:
    """No dataclass: as many items as numbers."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def batch(self, index, generator):
        return self.numbers[index] + torch.randn(len(index), generator=generator), index


@pytest.mark.parametrize("n", [1, 5, SAMPLE, 10 * SAMPLE])
def test_batches_that_are_no_dataclass_are_told_apart_by_some_of_them(n):
    numbers = torch.arange(float(n))
    assert of_data(Batches(numbers)) == of_data(Batches(numbers.clone()))
    assert of_data(Batches(numbers)) != of_data(Batches(numbers + 1))
    last = numbers.clone()
    last[-1] += 1
    assert of_data(Batches(numbers)) != of_data(Batches(last))
