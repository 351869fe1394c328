"""Studies of fine-tuning recipes: what is run, kept, compared and shown."""
