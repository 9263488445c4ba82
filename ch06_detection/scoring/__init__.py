"""Scoring detectors: mean average precision, kinds of errors, made-up detections."""
