"""Few digits, which are easily memorised, and the same digits shifted and rotated."""
