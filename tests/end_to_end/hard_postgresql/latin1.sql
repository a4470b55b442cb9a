SET client_encoding = LATIN1;
CREATE TABLE t (n int, v text, U&"\00e5" text);
INSERT INTO t VALUES (1, E'\xe5\xe4\xf6\xff\xa0', E'\xdf');
COMMENT ON TABLE t IS E'\xe9';
CREATE TYPE e AS ENUM (U&'\00e6');
CREATE TABLE of_e AS SELECT unnest(enum_range(NULL::e)) AS e;
