"""Exact counts of the activation regions and linear regions of a ReLU network on a bounded box."""
