"""Scalars as graphs of nodes: a prediction unfolded, a node a neuron, anybody's expression, its trace."""
