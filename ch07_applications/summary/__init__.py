"""Inputs, counts and drawings of the course's last lesson: results of all chapters, contests, the summary slide."""
