CREATE TABLE t (n int, a text, b bytea, c text);
INSERT INTO t SELECT 1, string_agg(md5(n::text), E'\n'), NULL, 'after'
    FROM generate_series(1, MEGABYTES * 30000) n;
INSERT INTO t SELECT 2, NULL, decode(string_agg(md5(n::text), ''), 'hex'), 'after'
    FROM generate_series(1, MEGABYTES * 30000) n;
INSERT INTO t VALUES (3, repeat('x', MEGABYTES * 1000000), '', ''), (4, '', NULL, NULL);
