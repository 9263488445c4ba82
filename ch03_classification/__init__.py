"""Chapter 3: classification, from a coin's likelihood to the ten classes of handwritten digits."""
