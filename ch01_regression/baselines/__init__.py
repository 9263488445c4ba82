"""The regression methods that several lessons use as rivals."""
