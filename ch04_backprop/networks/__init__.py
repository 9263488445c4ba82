"""What every network here shares: costs behind the last layer, and the loop that trains."""
