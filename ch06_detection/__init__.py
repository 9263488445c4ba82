"""Chapter 6: detection. What is in the picture, and where."""
