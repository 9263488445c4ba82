"""Chapter 2: the probabilistic view, from three points under a bell curve to intervals that keep their promise."""
