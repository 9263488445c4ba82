"""The composition of the scenes, examined pixel by pixel."""
