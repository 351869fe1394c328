"""Does a classifier's answer change with padding, and why? For any sequence classifier of `transformers`."""
