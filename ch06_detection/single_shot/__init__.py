"""Parts of single-shot detectors outside the lessons."""
