"""Models that can be fine-tuned: their shapes, their forward pass, their checkpoints."""
