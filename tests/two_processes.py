"""A program of the tests run as two processes that train together, and how each of them leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.checkout import ROOT


def run_as_two(module: str, path: Path, *arguments: str) -> dict:
    """What `python -m module *arguments path` has written to path, started twice by torchrun, on the CPU."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "-m", module, *arguments, str(path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(path.read_text())


def leave() -> None:
    """Ends this process with status 0 once the other one is here, too.

    A process that leaves early can break the last exchange of the other. And it leaves without Python's usual end:
    about one ordinary end in forty aborts there, while gloo takes its threads down.
    """
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)
