"""Reports in the forms others speak: STIX 2.1, XARF 4.2, MISP; ids derive from the report."""
