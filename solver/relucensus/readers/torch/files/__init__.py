"""Files of `torch.save`: the two formats, and the tensors that their pickles describe, found without running them."""
