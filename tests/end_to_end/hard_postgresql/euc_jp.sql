SET client_encoding = UTF8;
CREATE TABLE t (n int, v text, 名前 text);
INSERT INTO t VALUES (1, '日本語;--\', 'カタカナ'), (2, '①', '表');
COMMENT ON TABLE t IS '説明';
