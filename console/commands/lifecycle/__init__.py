"""`stopline lifecycle`: the legal engine as a job, and what its operator needs: keys and country files."""
