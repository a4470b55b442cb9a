-- A second, smaller database: nothing in it but what is odd.
SET client_min_messages = warning;
DROP SCHEMA public;
CREATE SCHEMA "Ünï code";
CREATE TABLE "Ünï code".left_one (id integer PRIMARY KEY, right_id integer);
CREATE TABLE "Ünï code".right_one (id integer PRIMARY KEY, left_id integer REFERENCES "Ünï code".left_one DEFERRABLE);
ALTER TABLE "Ünï code".left_one ADD CONSTRAINT to_right FOREIGN KEY (right_id) REFERENCES "Ünï code".right_one DEFERRABLE;
INSERT INTO "Ünï code".left_one VALUES (1, NULL), (2, NULL);
INSERT INTO "Ünï code".right_one VALUES (1, 1), (2, 2);
UPDATE "Ünï code".left_one SET right_id = 3 - id;
CREATE SEQUENCE "Ünï code"."Zähler" START 10;
SELECT nextval('"Ünï code"."Zähler"') \g /dev/null
