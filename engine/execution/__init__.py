"""One seam, several executors: who computes a training run."""
