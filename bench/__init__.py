"""Studies of fine-tuning recipes: planning, running, recording, comparing, reporting."""
