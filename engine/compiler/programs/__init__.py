"""Whole programs: a training, a prediction."""
