"""Hanin & Rolnick 2019, two papers: regions on lines and planes, memorisation, scale of initialisation, distances.

MNIST is replaced by scikit-learn's digits, which that package ships: 1,797 pictures with 64 inputs instead of 70,000
with 784.
"""
