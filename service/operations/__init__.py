"""What an operator does beside running the parts: look, check, save, restore, tidy. Answers no request."""
