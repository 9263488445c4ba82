"""An embedded pack against the same images as one PNG file each."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from side_by_side import row

from common import data


def measure() -> list[dict]:
    """Rows for run.py: the three packs, read whole."""
    rows = []
    for loader in (data.mnist, data.fashion_mnist, data.cifar10):
        whole = loader()
        images = np.concatenate([whole.train.images, whole.test.images])
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{i}.png" for i in range(len(images))]
            for file, image in zip(files, images, strict=True):
                Image.fromarray(image).save(file)

            def one_by_one(files: list[Path] = files) -> np.ndarray:
                return np.stack([np.asarray(Image.open(file)) for file in files])

            name = f"load the {whole.name} pack, {len(images):,} images"
            rows.append(row(name, loader, "one PNG file an image, Pillow", one_by_one, at_least=1, runs=3))
    return rows
