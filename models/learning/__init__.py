"""What is done offline: labels, training, evaluation, drift."""
