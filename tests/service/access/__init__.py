"""Keys, the gate, rates."""
