"""The workers: they take jobs from the tables and train them. They know nothing of HTTP."""
