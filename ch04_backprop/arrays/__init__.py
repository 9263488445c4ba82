"""What a tensor is apart from its gradients: an array that counts its changes, and broadcasting undone."""
