"""Image synthesis: generated pictures, and how to score them."""
