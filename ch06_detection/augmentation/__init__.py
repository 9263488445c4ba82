"""Random changes of images together with their boxes."""
