"""Metrics that several chapters use: detection, instance masks, segmentation, super-resolution, captions."""
