"""Is a file of labelled texts sound? What a careful colleague would say before training."""
