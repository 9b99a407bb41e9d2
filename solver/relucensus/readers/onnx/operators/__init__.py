"""What each ONNX operator does, a family of operators a file; `registry` is the list of what is supported."""
