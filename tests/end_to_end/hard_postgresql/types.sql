CREATE TYPE e AS ENUM ('b', 'a');
ALTER TYPE e ADD VALUE 'first' BEFORE 'b';
ALTER TYPE e RENAME VALUE 'a' TO 'it''s';
CREATE TYPE c AS (x int, y e, dropped int, z text[]);
ALTER TYPE c DROP ATTRIBUTE dropped;
CREATE TYPE r AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE shell;
CREATE DOMAIN d AS int DEFAULT 5 NOT NULL CONSTRAINT pos CHECK (VALUE > 0);
CREATE DOMAIN dd AS d CHECK (VALUE < 100);
ALTER DOMAIN d ADD CONSTRAINT later CHECK (VALUE <> 7) NOT VALID;
CREATE DOMAIN dc AS c CHECK ((VALUE).x > 0);
CREATE DOMAIN words AS text[] COLLATE "C";
CREATE FUNCTION ok(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> ''''';
CREATE DOMAIN checked AS text CHECK (ok(VALUE));
CREATE TABLE row_of (a int, b text);
CREATE TABLE t (e e, ee e[], c c, cc c[], r r, rm int4multirange, d d, dd dd[], dc dc, w words, k checked, ro row_of, x xml, u uuid, i inet, m macaddr8,
    ts tsvector, q tsquery, jp jsonpath, p point, po polygon, nm name, rc regclass, o oid);
INSERT INTO t VALUES ('first', '{b,"it''s",NULL}', ROW(1, 'b', '{a,"b,c"}'), ARRAY[ROW(1, NULL, NULL), NULL]::c[], '[1.5,)', '{[1,3),[5,)}', 5, '{1,2}',
    ROW(3, NULL, NULL), '{a}', 'x', ROW(1, E'"\\\n'), '<a b="c">&amp;</a><d/>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1/64', '08:00:2b:01:02:03:04:05',
    'a:1A ''b c'':2', 'a & !(b <-> c)', '$.a[*] ? (@ > 1)', '(1e-300,-0)', '((0,0),(1,1))', 'x', 't', 4294967295);
INSERT INTO t (d) VALUES (1);
CREATE INDEX ON t (((c).x));
CREATE TABLE of_type OF c (PRIMARY KEY (x));
ALTER TYPE e OWNER TO hard_owner;
GRANT USAGE ON TYPE d TO hard_reader;
REVOKE USAGE ON TYPE e FROM PUBLIC;
COMMENT ON COLUMN c.x IS 'of a type';
COMMENT ON CONSTRAINT pos ON DOMAIN d IS 'of a domain';
