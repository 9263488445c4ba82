"""Images and text: what a sentence says of a picture, and which of its words mean which of its regions."""
