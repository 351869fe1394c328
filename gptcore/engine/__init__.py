"""The engine: computes a recipe as written, or the same answer from less work."""
