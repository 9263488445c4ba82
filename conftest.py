"""The whole test run checks the shapes that stand in signatures: beartype behind jaxtyping's import hook.

This file lies at the root because the hook must stand before pytest imports the first test of any folder.
"""

import sys
from pathlib import Path

from jaxtyping import install_import_hook

ROOT = Path(__file__).parent
# An int is a float here, as in PEP 484. jaxtyping wants an expression in a string that begins with the module's name.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
# Modules that are left out because an annotation in them is false: each entry says which. To be emptied.
NOT_YET = {
    "common.results": "rms, r2 and the difference in paired_bootstrap return a numpy scalar for one sample",
    "ch01_regression.line": "cost returns a numpy scalar for one line",
    "ch01_regression.basis": "degree, bumps and knots are integers, not axes: write {degree}+1",
    "ch02_probabilistic.likelihood": "gaussian_log_density is called with a grid of y",
}


def modules():
    """common and the chapters, file by file, for a package's name would take in its tests, which are pytest's to load."""
    for package in ("common", *sorted(folder.name for folder in ROOT.glob("ch[0-9]*"))):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "tests" not in parts and path.name != "__init__.py":
                yield ".".join(parts)


sys.path.insert(0, str(ROOT))  # the tests run in a checkout that is not installed, too
install_import_hook([name for name in modules() if name not in NOT_YET], CHECKER)
