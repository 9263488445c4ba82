"""Drawings of the lessons."""
