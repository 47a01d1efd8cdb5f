"""The file formats that more than one concept speaks: each file holds both directions."""
