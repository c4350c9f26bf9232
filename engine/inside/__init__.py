"""What the glass shows: expressions, traces, surfaces and rows of trained models."""
