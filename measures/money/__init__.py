"""Where the money went and who gets how much of it back."""
