"""What a program is made of: layers, activations, losses, updates, and where their numbers lie."""
