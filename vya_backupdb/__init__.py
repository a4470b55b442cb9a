"""vya-backupdb: logical backups of MySQL, MariaDB and PostgreSQL, lossless or told."""
