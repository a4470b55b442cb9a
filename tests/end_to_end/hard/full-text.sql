CREATE TABLE f (id int PRIMARY KEY, t text, FULLTEXT KEY k (t));
INSERT INTO f VALUES (1, 'some words');
