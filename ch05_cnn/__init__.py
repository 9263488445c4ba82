"""Chapter 5: convolutional networks, against SIFT and HOG on the same images."""
