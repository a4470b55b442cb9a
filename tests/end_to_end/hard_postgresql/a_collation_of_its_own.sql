CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (a text COLLATE loose PRIMARY KEY, b text COLLATE "C", c text COLLATE "sv-x-icu");
INSERT INTO t VALUES ('Å', 'b', 'ö'), ('z', 'B', 'z');
CREATE INDEX ON t (c);
CREATE TABLE p (a text) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('a') TO ('ö');
INSERT INTO p VALUES ('z');
