CREATE TABLE t (n int, b bytea);
INSERT INTO t SELECT n, set_byte('x', 0, n) FROM generate_series(0, 255) n;
INSERT INTO t SELECT 256, string_agg(set_byte('x', 0, n), '' ORDER BY n) FROM generate_series(0, 255) n;
INSERT INTO t VALUES (257, ''), (258, NULL), (259, '\x5c2e0a'), (260, '\x0a5c2e0a');
SELECT lo_from_bytea(9001, b) FROM t WHERE n = 256;
