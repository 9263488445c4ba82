"""The network of 1989: its plan, its training by hand, and its input of 16×16 pixels."""
