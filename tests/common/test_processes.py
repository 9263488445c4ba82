"""RANK and WORLD_SIZE: what torchrun sets is read, what makes no sense is one clear line."""

import pytest

from common.errors import Problem
from common.processes import announced, meet


@pytest.fixture
def environment(monkeypatch):
    def set_to(**variables):
        for name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({}, 0),
        ({"RANK": ""}, 0),
        ({"WORLD_SIZE": ""}, 0),
        ({"RANK": "0"}, 0),
        ({"WORLD_SIZE": "1"}, 0),
        ({"RANK": "0", "WORLD_SIZE": "1"}, 0),
        ({"RANK": "0", "WORLD_SIZE": "4"}, 0),
        ({"RANK": "3", "WORLD_SIZE": "4"}, 3),
    ],
)
def test_this_process_s_number(environment, variables, number):
    environment(**variables)
    assert announced()[0] == number


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RANK": "abc"}, "RANK is 'abc', which is no number"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK is '-1', which is no number"),
        ({"RANK": "1"}, "WORLD_SIZE is not set"),
        ({"RANK": "1", "WORLD_SIZE": ""}, "WORLD_SIZE is not set"),
        ({"WORLD_SIZE": "2"}, "RANK is not set"),
        ({"RANK": "0", "WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', which is no number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2, but WORLD_SIZE is 2"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK is 0, but WORLD_SIZE is 0"),
    ],
)
def test_what_makes_no_sense_is_one_line(environment, variables, said):
    environment(**variables)
    with pytest.raises(Problem) as caught:
        announced()
    assert said in str(caught.value)
    assert "unset both" in str(caught.value)


def test_processes_that_cannot_meet_are_one_line(environment, monkeypatch):
    for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    environment(RANK="0", WORLD_SIZE="2")  # where, is not said
    with pytest.raises(Problem, match="2 processes cannot meet") as caught:
        meet()
    assert "torchrun" in str(caught.value)
    assert "\n" not in str(caught.value)
