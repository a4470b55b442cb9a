"""Reading the scripts of mysqldump and mariadb-dump."""
