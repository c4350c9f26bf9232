"""A model as source code that needs nothing of ours: one module a language."""
