"""What lies in this checkout: its chapters, their lessons, its source files."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted(path.parent.name for path in ROOT.glob("ch0*/main.py"))


@cache
def files():
    """Every file that git tracks or would take; in a checkout without git, every file but those of set-up and runs."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        beside = (".venv", ".git", "out", "build", "dist", "__pycache__")
        found = [path for path in ROOT.rglob("*") if not set(beside) & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in set(found) if path.is_file())


def text_files():
    """Files that are text."""
    return [path for path in files() if b"\0" not in path.read_bytes()]


def lessons(chapter):
    """A chapter's lessons in reading order, read from its main.py without importing it."""
    tree = ast.parse((ROOT / chapter / "main.py").read_text(encoding="utf-8"))
    settings = [k for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "lessons"]
    return list(ast.literal_eval(settings[0].value))


# The course itself: no tests.
SOURCES = [
    path for path in files() if path.suffix == ".py" and "tests" not in path.parts and path.name != "conftest.py"
]
