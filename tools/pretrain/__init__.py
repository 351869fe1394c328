"""How the bundled models were made: vocabulary, corpus, training. Run with `python -m tools.pretrain`."""
