"""Every benchmark against its peer, in one process: a table, out/bench.json, and status 1 where a mark is missed."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from common import machine, tables
from common.console import Console
from common.errors import Problem
from common.files import write_whole


def measurements(folder: Path) -> list[dict]:
    """The rows of every bench_*.py in the folder, each made by its measure() as side_by_side.row() makes them."""
    rows = []
    for path in sorted(folder.glob("bench_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rows += module.measure()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure speed against peers.")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where bench.json goes")
    flags = parser.parse_args()
    console = Console()
    rows = measurements(Path(__file__).parent)
    console.say(tables.terminal(tables.bench_sheet(rows), title="Speed against peers, medians"))
    try:
        write_whole(
            flags.out / "bench.json", json.dumps({"machine": machine.describe(), "rows": rows}, indent=1) + "\n"
        )
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    missed = [row["name"] for row in rows if row["ratio"] < row["at_least"]]
    for name in missed:
        console.say(f"slower than its mark: {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
