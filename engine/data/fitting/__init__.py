"""What the training rows teach: which rows they are, and numbers made of columns."""
