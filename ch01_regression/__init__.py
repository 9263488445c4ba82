"""Chapter 1: regression, from a straight line to basis functions."""
