"""Random changes of images that take their boxes along."""
