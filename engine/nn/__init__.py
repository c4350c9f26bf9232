"""What a network is made of, each piece one scalar function."""
