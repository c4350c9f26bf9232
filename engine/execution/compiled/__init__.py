"""The fast executor and predictor: the only rooms that know the compiler."""
