"""Language models: configuration, text, losses, training, evaluation. The only home of torch."""
