CREATE TABLE t (d date, s timestamp, z timestamptz(3), h time, hz timetz, i interval, r tstzrange);
INSERT INTO t VALUES ('infinity', 'infinity', 'infinity', '24:00', '00:00+15:59', '178000000 years', '(,)'),
    ('-infinity', '-infinity', '-infinity', '00:00:00.000001', '23:59:59.999999-15:59', '-178000000 years', 'empty'),
    ('4713-01-01 BC', '4713-01-01 00:00 BC', '4713-01-02 00:00+00 BC', NULL, NULL, '-1 mons +2 days -03:00', NULL),
    ('5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.99+00', '12:00', '12:00+00:00:01',
'0', '[1800-01-01 00:00+00,infinity)'),
    ('2024-02-29', '2016-12-31 23:59:60', '1883-11-18 12:00:00 America/New_York', NULL, NULL, '1.5 weeks', NULL);
