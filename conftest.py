"""The whole test run checks the shapes that stand in signatures: beartype behind jaxtyping's import hook.

This file lies at the root because the hook must stand before pytest imports the first test of any folder.
"""

import sys
from pathlib import Path
from typing import Any

from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook
from numpy.typing import ArrayLike

ROOT = Path(__file__).parent
# As PEP 484 has it, an int is a float. ArrayLike is anything that an estimator is given: it judges that itself, with
# scikit-learn's messages.
RULES = BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({ArrayLike: Any}))
CHECKER = "conftest.checked"  # jaxtyping wants a name that it can import


def checked(what):
    """A function or class whose arguments and results are held against their annotations.

    Not __init__: an estimator keeps what it is given, and judges it in fit, as scikit-learn's rules say.
    """
    return what if what.__name__ == "__init__" else beartype(what, conf=RULES)


def modules():
    """common and the chapters, file by file: by its name a package would take in its tests, which pytest loads."""
    for package in ("common", *sorted(folder.name for folder in ROOT.glob("ch[0-9]*"))):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "tests" not in parts and path.name != "__init__.py":
                yield ".".join(parts)


sys.path.insert(0, str(ROOT))  # the tests run in a checkout that is not installed, too
install_import_hook(list(modules()), CHECKER)
