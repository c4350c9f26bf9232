"""Trained models: raw rows in; answers, their derivatives and how good they are out. Knows no training."""
