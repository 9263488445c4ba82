"""The parts of a tensor other than its gradients: an array that counts its changes, and the inverse of broadcasting."""
