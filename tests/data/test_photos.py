"""Photos that need no download."""

import socket

import numpy as np
import pytest

from common import data
from common.data.photos import PHOTOS
from common.errors import Problem


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_needs_no_network(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("a photo asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    photo = data.photo(name)
    assert photo.dtype == np.uint8
    assert photo.ndim == 2 or photo.shape[2] == 3
    assert photo.std() > 1


def test_a_photo_is_the_callers_own():
    data.photo("camera")[:] = 0
    assert data.photo("camera").max() > 0


def test_an_unknown_photo_lists_those_there_are():
    with pytest.raises(Problem, match=r"no photo 'lena': there are astronaut, .*camera"):
        data.photo("lena")
