"""Measurements anyone can repeat: `./dev bench engine`."""
