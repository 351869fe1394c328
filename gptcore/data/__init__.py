"""Data: fetched assets, labelled datasets, tokenizers and batches. Import the submodule that is needed."""
