"""The convolutional layer and pooling by matrix products, and a network of both."""
