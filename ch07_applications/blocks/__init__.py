"""What several tasks of the chapter share."""
