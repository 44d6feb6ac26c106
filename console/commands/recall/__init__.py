"""`stopline recall`: a payment asked back from another institution, in ISO 20022."""
