"""Engine `skeleton`: the vertices and edges of the subdivided box, cut by one neuron after the other."""
