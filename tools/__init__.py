"""What made a file once: the bundled models and their proofs. Run from a clone, not installed."""
