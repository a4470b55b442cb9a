"""Reading the scripts of pg_dump."""
