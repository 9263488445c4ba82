"""Reconstruction: pictures out of a part of what determines them."""
