"""Reconstruction: pictures out of a part of what would determine them."""
