"""MySQL and MariaDB, two flavours of one engine."""
