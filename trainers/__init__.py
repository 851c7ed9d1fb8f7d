"""The PyTorch backend: design spaces, networks and training."""
