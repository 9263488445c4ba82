"""Reconstruction: what is hidden in a picture, given the rest of it."""
