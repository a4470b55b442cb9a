CREATE TABLE c (id int PRIMARY KEY, v int AS (id * 2) VIRTUAL, s varchar(20) AS (CONCAT('a;''', id)) STORED, i int INVISIBLE DEFAULT 7, e enum('x', '', 'it''s'), t set('a', 'b'), d varchar(9) DEFAULT (CONCAT('a', 'b')), CONSTRAINT k CHECK (id > 0), KEY (s), UNIQUE (v));
INSERT INTO c (id, e, t) VALUES (1, '', 'a,b'), (2, 'it''s', '');
INSERT INTO c (id, i) VALUES (3, 9);
