"""The classifiers that several lessons use as rivals."""
