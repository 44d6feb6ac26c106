"""The two client libraries behind the port."""
