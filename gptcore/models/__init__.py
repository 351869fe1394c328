"""GPT-2 models: their shapes, their forward pass, their weights."""
