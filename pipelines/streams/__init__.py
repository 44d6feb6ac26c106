"""The topics the main job reads, a file each, and one table of them."""
