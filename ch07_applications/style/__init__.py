"""Pictures in another picture's style."""
