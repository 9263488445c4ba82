"""Reading a pickle of plain containers and NumPy arrays without running what else may stand in it.

A pickle is a program: it may name any function of any module and call it. This Unpickler knows four names, those with
which NumPy rebuilds an array, and refuses every other one before it is called.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any

import numpy as np

RECONSTRUCT = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since NumPy 2


class NumpyOnly(pickle.Unpickler):
    """An Unpickler that builds containers, numbers, strings and NumPy arrays of numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may call. Raises UnpicklingError for every other name."""
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if module in RECONSTRUCT and name == "_reconstruct":
            return np._core.multiarray._reconstruct
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes the bytes of an array, as Latin-1 text
            return latin_bytes
        raise pickle.UnpicklingError(f"the pickle names {module}.{name}, which is no part of an array")


def latin_bytes(text: str, encoding: str) -> bytes:
    """The bytes that protocol 2 wrote as text. Raises UnpicklingError for another encoding, which could run code."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the pickle encodes bytes as {encoding!r}, which no array does")
    return text.encode("latin1")


def loads(content: bytes, encoding: str = "ASCII") -> Any:
    """The object in a pickle of containers and arrays.

    encoding: of the strings that Python 2 wrote. Raises pickle.UnpicklingError where something else is in it, or where
    it is damaged.
    """
    try:
        return NumpyOnly(BytesIO(content), encoding=encoding).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise pickle.UnpicklingError(f"no pickle, or a damaged one ({error})") from error


def load_npy(content: bytes) -> Any:
    """The one object in an .npy file that holds an object array of shape (): its header, then a pickle."""
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read_header(file)
    if shape != () or kind != np.dtype(object):
        raise pickle.UnpicklingError(f"expected one object, found an array of shape {shape} and type {kind}")
    return loads(content[file.tell() :]).item()
