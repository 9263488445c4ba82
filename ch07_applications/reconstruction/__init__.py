"""Reconstruction: pictures from a part of their data."""
