"""Exact affine maps of a network that is being read, and the layers that its activations make of them."""
