"""Importing the data layer reads nothing and waits for nobody."""

import subprocess
import sys
from pathlib import Path

import common.data


def test_no_heavy_library_is_imported():
    script = """
import sys
from common import data
heavy = {"torch", "torchvision", "sklearn", "skimage", "scipy", "PIL", "rich", "matplotlib"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else 0)
"""
    root = Path(common.data.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_no_file_is_opened():
    script = """
import sys
opened = []
sys.addaudithook(lambda event, details: opened.append(str(details[0])) if event == "open" else None)
from common import data
sys.exit("\\n".join(path for path in opened if "packs" in path and not path.endswith((".py", ".pyc"))))
"""
    root = Path(common.data.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
