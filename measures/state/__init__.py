"""What is kept of an account: measures, their state diagrams, order numbers."""
