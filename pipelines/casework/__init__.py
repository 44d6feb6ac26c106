"""The casework job's steps: open messages, drive aggregates, keep their states."""
