"""Selective search: segments, hierarchies of them, and the boxes of their unions as proposals (chapters 6 and 7)."""
