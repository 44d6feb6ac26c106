"""The law of each country: its file, its rules, its calendar."""
