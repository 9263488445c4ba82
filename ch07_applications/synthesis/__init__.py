"""Image synthesis: pictures of which no photograph exists, and how to judge them."""
