"""Programs that other people's clients run in, each with an environment of its own; see environments.py."""
