"""The house as those see it who watch over it: is it alive, what runs, how much."""
