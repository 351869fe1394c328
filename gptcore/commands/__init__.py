"""The commands of `python -m gptcore`, one file each, and how they take their options."""
