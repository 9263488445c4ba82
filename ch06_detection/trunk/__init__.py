"""The layers that all networks of the chapter share, and their pretraining."""
