-- only: mariadb
CREATE TABLE t (a uuid DEFAULT uuid(), b inet6, c inet4, d varchar(999) COMPRESSED, p date, q date, PERIOD FOR app (p, q), UNIQUE (c, app WITHOUT OVERLAPS));
INSERT INTO t VALUES (DEFAULT, '::1', '1.2.3.4', REPEAT('x', 900), '2020-01-01', '2021-01-01');
