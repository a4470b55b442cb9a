CREATE TABLE t (n int, v text, f float8, b bytea);
INSERT INTO t VALUES (1, E'back\\slash', 0.1::float8 + 0.2, '\x00ff');
CREATE VIEW v AS SELECT * FROM t WHERE v <> E'\\';
CREATE SCHEMA "a b";
CREATE TABLE "a b".t (x int);
