"""Runs of training, their checkpoints and the models they leave."""
