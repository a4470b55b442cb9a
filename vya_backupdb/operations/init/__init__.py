"""A first configuration: what servers there are, what is written, and what is to be done then."""
