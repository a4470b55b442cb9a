ALTER DATABASE THE_DATABASE SET timezone = 'Europe/Amsterdam';
ALTER DATABASE THE_DATABASE SET datestyle = 'German';
ALTER DATABASE THE_DATABASE SET intervalstyle = 'sql_standard';
