"""The pages of the desk: rendered on the server, with vendored files and nothing from elsewhere."""
