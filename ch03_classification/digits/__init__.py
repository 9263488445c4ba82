"""Images of digits as tables of numbers."""
