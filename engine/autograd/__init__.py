"""Scalars that remember how they were made."""
