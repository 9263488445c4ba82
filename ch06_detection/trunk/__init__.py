"""The layers that all networks of the chapter share, and what they learn before they detect."""
