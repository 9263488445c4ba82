"""The pack of recordings of a watch on a wrist: out of seglearn's pickle once, here, into plain arrays.

Burns et al. 2018, Shoulder physiotherapy exercise recognition: acceleration in g and turning rate in rad/s, 50 times a
second. Rounded to 1/2048 g and 1/512 rad/s, far below the sensor's noise, and stored as differences from one sample to
the next, low bytes apart from high bytes, because that compresses best (packs/PROVENANCE.md).
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Int16, UInt8

from common.data import mirrors, numpy_pickle
from common.data.archives import read_members
from common.data.embedded import content
from common.errors import Problem

PACKAGE = mirrors.Package(
    client="pip",
    name="seglearn",
    version="1.2.5",
    megabytes=11.3,
    sha256="ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
    suffix=".whl",
)
MEMBER = "seglearn/data/watch_dataset.npy"
STEPS = (1 / 2048,) * 3 + (1 / 512,) * 3  # g and rad/s
CLASSES = {  # seglearn's names, and what they stand for
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "trapezius",
    "ROW": "row",
}
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")


def squeezed(samples: Int16[np.ndarray, "time channels"]) -> UInt8[np.ndarray, "channels two time"]:
    """Differences in time, low bytes and high bytes apart. They wrap around, and wrap back in unsqueezed."""
    differences = np.diff(samples, axis=0, prepend=np.zeros_like(samples[:1]))
    pairs = np.ascontiguousarray(differences.T.astype("<i2")).view(np.uint8)
    return np.ascontiguousarray(pairs.reshape(samples.shape[1], -1, 2).swapaxes(1, 2))


def pack(folder: Path) -> tuple[dict[str, bytes], dict]:
    """The file of the pack by name, and its entry in the manifest. Raises OSError where the package can't be had."""
    archive = mirrors.fetch(PACKAGE, folder, f"watch: {PACKAGE}")
    found = numpy_pickle.load_npy(read_members(archive, [MEMBER])[MEMBER])
    if (tuple(found["X_labels"]), tuple(found["y_labels"])) != (CHANNELS, tuple(CLASSES)):
        raise Problem(f"{archive}: other channels or exercises than expected")
    samples = np.round(np.concatenate(found["X"]) / STEPS)
    if np.abs(samples).max() > np.iinfo(np.int16).max:
        raise Problem(f"{archive}: a number is beyond what 16 bits hold")
    arrays = {
        "squeezed": squeezed(samples.astype(np.int16)),
        "lengths": np.array([len(series) for series in found["X"]], np.int32),
        "labels": np.array(found["y"], np.uint8),
        "subjects": np.array(found["subject"], np.uint8),
        "right": np.array(found["side"]) == 1,
    }
    stored = BytesIO()
    np.savez_compressed(stored, **arrays)
    return {"watch.npz": stored.getvalue()}, {
        "file": "watch.npz",
        "classes": list(CLASSES.values()),
        "channels": list(CHANNELS),
        "steps": list(STEPS),
        "rate": 50,
        "content": content(samples.astype(np.int16), *(arrays[key] for key in list(arrays)[1:])),
    }
