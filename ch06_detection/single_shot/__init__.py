"""What belongs to single-shot detectors beside the lessons."""
