"""Ways of fine-tuning: which layers learn, and adapters."""
