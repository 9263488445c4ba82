"""Chapter 2: the probabilistic view, from three points and a bell curve to prediction intervals."""
