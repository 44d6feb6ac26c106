"""`stopline casework`: the job of reports, blocking entries and the registry."""
