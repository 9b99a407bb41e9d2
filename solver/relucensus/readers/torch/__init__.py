"""PyTorch: files of tensors read without torch, and modules in this process."""
