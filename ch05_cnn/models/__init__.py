"""The networks that several lessons train or reuse, and how they are trained."""
