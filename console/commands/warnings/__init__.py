"""`stopline warnings`: the ladder that talks a victim out of it."""
