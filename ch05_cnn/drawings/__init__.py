"""The pictures of each lesson, in a file of the same name."""
