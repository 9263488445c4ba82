"""How much data a run reads, and where full sets are kept."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from common.errors import Problem

PRESETS = ("smoke", "lecture", "full")
PROJECT = "vision-by-reading-code"


@dataclass(frozen=True)
class Scale:
    """The size of the data sets of images: the head of the embedded pack, the whole pack, or the whole official set.

    preset: "smoke" (1000 images to train on, 300 to test), "lecture" (the embedded pack) or "full" (everything; fetched
    once). folder: where full sets are looked for and kept; None means default_folder(). Raises Problem for an unknown
    preset. Tables are small and the same at every preset.
    """

    preset: str = "lecture"
    folder: str | Path | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise Problem(f"unknown preset {self.preset!r}: choose one of {', '.join(PRESETS)}")

    @property
    def cache(self) -> Path:
        """The folder of the full sets. It need not exist yet."""
        return default_folder() if self.folder is None else Path(self.folder).expanduser()


def default_folder() -> Path:
    """The user's own cache folder for this project: XDG_CACHE_HOME, LOCALAPPDATA on Windows, or ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or (sys.platform == "win32" and os.environ.get("LOCALAPPDATA"))
    return (Path(home) if home else Path.home() / ".cache") / PROJECT


LECTURE = Scale()
