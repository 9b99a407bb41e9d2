"""Differential conformance of the ONNX reader: what it reads must be the function that a runtime computes."""
