"""Keypoints, and views of a photo in which their true places are known."""
