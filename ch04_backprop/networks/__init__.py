"""Code shared by all networks of the chapter: costs after the last layer, and the training loop."""
