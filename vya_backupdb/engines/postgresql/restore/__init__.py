"""Executing scripts on a server, and what is found before that."""
