"""Fine-tuning a GPT into a text classifier: recipe, classifier, training, evaluation."""
