"""Jobs put together from options, for any runner."""
