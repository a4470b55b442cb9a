"""Calling pg_dump."""
