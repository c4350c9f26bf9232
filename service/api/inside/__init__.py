"""What can be seen inside a model and inside a training, over HTTP: one file a question."""
