"""Logic made of threshold units."""
