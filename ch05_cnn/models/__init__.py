"""The networks that several lessons train or reuse, and their training."""
