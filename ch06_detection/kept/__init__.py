"""Trained detectors that outlive the run that trained them."""
