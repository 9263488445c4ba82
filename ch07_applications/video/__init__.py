"""Video: what a film shows that its single frames do not."""
