"""What is known of parties and accounts: folds over facts in order of event time."""
