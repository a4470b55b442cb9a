"""What is found before a dump: what would be missing from it, or stop it."""
