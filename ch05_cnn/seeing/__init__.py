"""What units respond to: the images that excite them, covered pixels, moved images."""
