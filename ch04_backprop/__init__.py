"""Chapter 4: backpropagation, from one step downhill to a trained deep network, all by hand."""
