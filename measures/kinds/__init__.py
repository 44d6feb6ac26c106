"""The kinds of measures, a module each."""
