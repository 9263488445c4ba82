"""Images and text: sentences about pictures, and which of their words mean which of their regions."""
