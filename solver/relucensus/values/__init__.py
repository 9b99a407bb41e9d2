"""Frozen values: the network, the domain, patterns and cubes, the problem, the result."""
