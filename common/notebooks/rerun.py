"""A cell that is run again replaces what it left before: else its scores would count twice in the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class CellLedger:
    """Which entries of some lists, and which new keys of some dictionaries, each cell of a notebook has added."""

    def __init__(self, lists: Iterable[list], tables: Iterable[dict]) -> None:
        self.lists, self.tables = list(lists), list(tables)
        self.added: dict[str, tuple[list[list], list[set]]] = {}
        self._before: tuple[list[int], list[set]] | None = None

    def begin(self, cell: str) -> None:
        """Take out what an earlier run of the cell has added, and note what is there now."""
        if cell in self.added:
            entries, keys = self.added.pop(cell)
            for kept, mine in zip(self.lists, entries, strict=True):
                gone = set(map(id, mine))
                kept[:] = [entry for entry in kept if id(entry) not in gone]
            for table, mine in zip(self.tables, keys, strict=True):
                for key in mine:
                    table.pop(key, None)
        self._before = [len(kept) for kept in self.lists], [set(table) for table in self.tables]

    def end(self, cell: str) -> list[list[Any]]:
        """What the cell has added, list by list; nothing where it had not begun."""
        if self._before is None:
            return [[] for _ in self.lists]
        counts, keys = self._before
        entries = [kept[count:] for kept, count in zip(self.lists, counts, strict=True)]
        self.added[cell] = entries, [set(table) - before for table, before in zip(self.tables, keys, strict=True)]
        self._before = None
        return entries


def cell_of(info: Any) -> str:
    """The cell that IPython is about to run, or ran: its identity, or its text where the front end gives none."""
    return getattr(info, "cell_id", None) or info.raw_cell
