"""ONNX files: the graph, its constants, and its operators by family."""
