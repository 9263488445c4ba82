"""What the course's last lesson reads, counts and draws: results of all chapters, contests, the summary slide."""
