"""What authorities list and institutions suspect, looked up for every payment and call."""
