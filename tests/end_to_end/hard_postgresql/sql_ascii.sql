SET client_encoding = SQL_ASCII;
CREATE TABLE t (n int, v text);
INSERT INTO t VALUES (1, E'\xe9\xff\xfe'), (2, E'\xc3\xa9'), (3, E'\\\x80'), (4, E'\x81\\.'), (5, E'\x0a\\.\x0a\xff');
CREATE TABLE a AS SELECT E'\xa4' AS b;
