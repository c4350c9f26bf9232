"""Tables in, matrices out."""
