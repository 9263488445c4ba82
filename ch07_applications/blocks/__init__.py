"""Code shared by several tasks of the chapter."""
