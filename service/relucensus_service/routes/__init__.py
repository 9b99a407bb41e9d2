"""The routes: they translate a request into calls, and the answer back. Nothing else."""
