"""Weights that do not come as a checkpoint's folder: fetched and converted once, into the user's cache."""
