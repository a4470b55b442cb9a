CREATE TABLE t (n int, f float8, r real, x numeric, y numeric(40, 20), i bigint, m money, b bit(5), v varbit);
INSERT INTO t (n, f, r, x) VALUES (1, 'NaN', 'NaN', 'NaN'), (2, '-0', '-0', '0.000'),
    (3, 'Infinity', '-Infinity', '1e1000'), (4, 5e-324, 1e-45, '1e-1000'), (5, 0.1, 0.1, 0.10),
    (6, 1.7976931348623157e308, 3.4028235e38, '-123456789012345678901234567890.1234567890'),
    (7, 1220223, -1220223, 0), (8, 2.2250738585072014e-308, 16777217, 100), (9, 1::float8 / 3, 1::real / 3, 1);
INSERT INTO t VALUES (10, 0, 0, 0, 0.00000000000000000001, -9223372036854775808, -12.34, B'00101', B'');
INSERT INTO t (n, f, r) SELECT 100 + n, exp(n * 1.7), exp(n / 3.0)::real FROM generate_series(-100, 200) n;
