"""Calling mysqldump and mariadb-dump."""
