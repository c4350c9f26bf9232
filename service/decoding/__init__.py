"""Strangers' binary files are decoded by processes of their own, which may die of them."""
