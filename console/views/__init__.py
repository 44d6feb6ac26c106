"""What commands print: tables and lines of what the laboratory found."""
