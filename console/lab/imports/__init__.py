"""From tables a bank has to payments and labels: a mapping file, its columns, a report."""
