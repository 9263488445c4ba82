"""What two or more chapters use, and nothing else."""
