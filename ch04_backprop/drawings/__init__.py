"""Drawings that are longer than the lesson should be."""
