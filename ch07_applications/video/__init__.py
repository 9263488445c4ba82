"""Video: what a film shows beyond its single frames."""
