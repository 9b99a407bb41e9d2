"""The experiments of the literature on counts of regions, repeated with exact counts; see docs/experiments.md."""
