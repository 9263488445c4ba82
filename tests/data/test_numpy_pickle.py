"""Pickles of arrays are read, and whatever else a pickle may call is refused before it is called."""

import io
import os
import pickle

import numpy as np
import pytest

from common.data import numpy_pickle

THING = {"a": [np.arange(6.0).reshape(2, 3), np.array([1, 2], np.int32)], "text": "ä", "flag": (True, None, 3)}


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_and_containers_are_read(protocol):
    """The files that we read have protocol 2; from 5 on NumPy names other functions, which are refused."""
    found = numpy_pickle.loads(pickle.dumps(THING, protocol=protocol))
    assert np.array_equal(found["a"][0], THING["a"][0])
    assert found["a"][1].dtype == np.int32
    assert (found["text"], found["flag"]) == (THING["text"], THING["flag"])


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "evil",
    [
        Calls(os.system, "touch ran"),
        Calls(eval, "open('ran', 'w')"),
        Calls(np.load, "ran"),
        Calls(np.lib.format.open_memmap, "ran", "w+", None, (1,)),
        Calls(getattr, np.ndarray, "dump"),
    ],
)
def test_code_in_a_pickle_is_not_run(evil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(5):
        with pytest.raises(pickle.UnpicklingError, match="which is no part of an array"):
            numpy_pickle.loads(pickle.dumps([evil], protocol=protocol))
    assert list(tmp_path.iterdir()) == []


def test_no_other_codec_can_be_named():
    content = b"c_codecs\nencode\n(Vabc\nVrot13\ntR."
    with pytest.raises(pickle.UnpicklingError, match="rot13"):
        numpy_pickle.loads(content)


def test_a_dotted_name_does_not_get_round_the_list():
    content = b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93."
    with pytest.raises(pickle.UnpicklingError, match=r"numpy\.ndarray\.dump"):
        numpy_pickle.loads(content)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(THING, protocol=2)[:-20]])
def test_what_is_no_pickle_is_an_unpickling_error(content):
    with pytest.raises(pickle.UnpicklingError):
        numpy_pickle.loads(content)


def test_an_npy_file_of_one_object_is_read_and_another_refused():
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array({"X": [np.arange(3)]}, dtype=object), allow_pickle=True)
    try:
        found = numpy_pickle.load_npy(file.getvalue())
    except pickle.UnpicklingError as error:
        pytest.skip(f"this NumPy writes object arrays in another way: {error}")
    assert found["X"][0].tolist() == [0, 1, 2]
    file = io.BytesIO()
    np.save(file, np.arange(3))
    with pytest.raises(pickle.UnpicklingError, match="expected one object"):
        numpy_pickle.load_npy(file.getvalue())
