"""The pages for people. Knows nothing of the service but what app.py hands it."""
