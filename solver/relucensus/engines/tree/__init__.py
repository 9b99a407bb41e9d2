"""Engine tree: depth first over the rows in layer order, compiled, with a proven filter before exact arithmetic."""
