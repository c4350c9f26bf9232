"""What a training writes down on its way, as bytes: history, checkpoints, snapshots."""
