"""Listed persons and what follows from a listing."""
