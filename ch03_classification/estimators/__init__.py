"""What estimators of several lessons share."""
