CREATE TABLE g (p point NOT NULL, s geometry, SPATIAL KEY (p));
INSERT INTO g VALUES (ST_GeomFromText('POINT(1.1 2.2)'), ST_GeomFromText('POLYGON((0 0, 0 1, 1 1, 0 0))')), (ST_GeomFromText('POINT(3 4)'), NULL);
