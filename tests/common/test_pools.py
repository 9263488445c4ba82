"""Work in several processes gives what one process gives, and is done here where there are none."""

from functools import partial

import numpy as np
import pytest

from common import pools
from common.pools import map_chunks, processes


def sums(images: np.ndarray, others: list, plus: int = 0) -> list[int]:
    """What a process is given to do: of a chunk of each column."""
    assert len(images) == len(others) <= pools.CHUNK
    return [int(image.sum()) + other + plus for image, other in zip(images, others, strict=True)]


IMAGES = np.arange(7 * 6).reshape(7, 3, 2)
OTHERS = list(range(7))
EXPECTED = [int(image.sum()) + other for image, other in zip(IMAGES, OTHERS, strict=True)]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(pools, "FEW", 2)


def test_two_processes_are_started_and_give_what_one_gives(few, monkeypatch):
    started, pool = [], pools.ProcessPoolExecutor

    def watched(workers: int, **settings: object) -> object:
        started.append(workers)
        return pool(workers, **settings)

    monkeypatch.setattr(pools, "ProcessPoolExecutor", watched)
    assert map_chunks(sums, IMAGES, OTHERS, workers=1) == EXPECTED
    assert not started
    assert map_chunks(sums, IMAGES, OTHERS) == EXPECTED
    assert started == [2]


def test_few_items_need_no_process(monkeypatch):
    monkeypatch.setattr(pools, "processes", None)
    assert map_chunks(sums, IMAGES, OTHERS) == EXPECTED


def test_every_chunk_size_keeps_the_order(monkeypatch):
    for size in range(1, 9):
        monkeypatch.setattr(pools, "CHUNK", size)
        assert map_chunks(partial(sums, plus=1), IMAGES, OTHERS) == [value + 1 for value in EXPECTED]


def test_processes_that_are_there_are_used_again(few, monkeypatch):
    with processes() as pool:
        monkeypatch.setattr(pools, "processes", None)  # no others could be started
        assert map_chunks(sums, IMAGES, OTHERS, pool=pool) == EXPECTED
        assert map_chunks(sums, IMAGES, OTHERS, pool=pool) == EXPECTED


def test_where_no_process_can_be_started_this_one_does_it(few, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(pools, "ProcessPoolExecutor", refuse)
    assert map_chunks(sums, IMAGES, OTHERS) == EXPECTED


def test_no_item_at_all():
    assert map_chunks(sums, IMAGES[:0], []) == []
