"""Boxes beyond the first lesson: from scores to detections, frames at half size."""
