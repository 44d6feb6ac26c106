"""What commands share: rows, feeds, figures."""
