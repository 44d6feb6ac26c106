"""Who may order: keys, signatures, people, dispatch."""
