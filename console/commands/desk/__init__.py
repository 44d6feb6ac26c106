"""`stopline desk`: what people see and do."""
