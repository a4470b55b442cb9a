CREATE TABLE t (a text, b text);
CREATE TABLE one (a text);
INSERT INTO t SELECT x, y FROM unnest(ARRAY[E';', E'--', E'),(', E'\\.', E'\\\\.', E'\n\\.\n', E'\'', E'"', E'\\', E'\\N', E'\\n', E'\n', E'\r', E'\r\n',E'\t', E'\b\f\v', E'\x01\x7f', '', ' ', '%s %(x)s %%', '$$', '$1', 'NULL', '/* x', E'\\restrict x', ':x',E'a\\\nb', '{"a": 1}', 'å', '日本', '🙂', E'\u202e', E'\ufeffbom']) x, unnest(ARRAY[E';', E'--', E'),(', E'\\.', E'\\\\.', E'\n\\.\n', E'\'', E'"', E'\\', E'\\N', E'\\n', E'\n', E'\r', E'\r\n',E'\t', E'\b\f\v', E'\x01\x7f', '', ' ', '%s %(x)s %%', '$$', '$1', 'NULL', '/* x', E'\\restrict x', ':x',E'a\\\nb', '{"a": 1}', 'å', '日本', '🙂', E'\u202e', E'\ufeffbom']) y;
INSERT INTO t VALUES (NULL, NULL), (NULL, ''), ('', NULL);
INSERT INTO one VALUES ('\.'), (''), (NULL);
CREATE TABLE arrays (a text[], c char(5), j json, jb jsonb, v varchar(4)[][]);
INSERT INTO arrays VALUES (ARRAY[E';', E'--', E'),(', E'\\.', E'\\\\.', E'\n\\.\n', E'\'', E'"', E'\\', E'\\N', E'\\n', E'\n', E'\r', E'\r\n',E'\t', E'\b\f\v', E'\x01\x7f', '', ' ', '%s %(x)s %%', '$$', '$1', 'NULL', '/* x', E'\\restrict x', ':x',E'a\\\nb', '{"a": 1}', 'å', '日本', '🙂', E'\u202e', E'\ufeffbom'], 'a', '{"a":  1, "a": "\u0000"}', '{"b": [1.50, "\n"]}',
    '{{a,NULL},{"NULL",""}}');
