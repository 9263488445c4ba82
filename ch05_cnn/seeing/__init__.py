"""The patterns that units respond to: images that excite them, covered pixels, shifted images."""
