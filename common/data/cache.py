"""The folder of the full sets: one file a set, written whole or not at all, and checked when read."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common.data.parts import Images, fingerprint
from common.errors import Problem, first_line
from common.files import whole_file

DAY = 24 * 3600.0


def read(path: Path, expected: str) -> tuple[Images, Images, str]:
    """Train part, test part and source out of a kept file. Raises OSError where it is damaged (another fingerprint).

    One wrong byte can make NumPy and zipfile raise almost anything (NotImplementedError for a method of compression
    that doesn't exist, a MemoryError for a shape that was never written, …), so all that they raise counts as damage.
    """
    try:
        with path.open("rb") as file, np.load(file) as kept:
            train = Images(kept["train_images"], kept["train_labels"])
            test = Images(kept["test_images"], kept["test_labels"])
            source = str(kept["source"])
    except Exception as error:
        raise OSError(f"damaged ({first_line(error)})") from error
    if fingerprint(train, test) != expected:
        raise OSError("damaged (its content differs from the official set)")
    return train, test, source


def keep(path: Path, train: Images, test: Images, source: str) -> None:
    """Write a set to path, whole or not at all. Uncompressed, so that reading it costs no more than its bytes do."""
    with whole_file(path) as file:
        np.savez(
            file,
            train_images=train.images,
            train_labels=train.labels,
            test_images=test.images,
            test_labels=test.labels,
            source=np.array(source),
        )


@contextmanager
def working_folder(folder: Path, key: str) -> Iterator[Path]:
    """A folder for a download, beside the file that is to come of it; gone afterwards, whatever happened.

    What a killed run left behind more than a day ago is swept out. Raises Problem where folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".{key}.*.partial"):
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        work = tempfile.TemporaryDirectory(prefix=f".{key}.", suffix=".partial", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise Problem(
            f"cannot write the data folder {folder}: {error.strerror or error}; choose another with --data DIR"
        ) from error
    with work as path:
        yield Path(path)
