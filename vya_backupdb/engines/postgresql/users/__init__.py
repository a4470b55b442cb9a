"""Users and roles of PostgreSQL: dumped, read, compared, changed."""
