"""Runs of training, from a spec and a table to a model."""
