"""`python -m book`: make the site from what is committed.

python -m book               site/, to be opened at site/index.html
python -m book --out DIR     the same in another folder
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m book", description="Make the course's site.")
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="DIR", help="where to (default: site)")
    flags = parser.parse_args()
    from common.adopt import ROOT, chapters
    from common.errors import Problem

    try:
        from book.site import build

        began = time.perf_counter()
        pages = build(ROOT, chapters(), flags.out.resolve(), ROOT / "build" / "book")
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(f"{pages} pages in {time.perf_counter() - began:.0f} s: open {flags.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
