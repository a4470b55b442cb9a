-- What only MySQL has.
CREATE TABLE modern (
  id BINARY(16) NOT NULL DEFAULT (uuid_to_bin(uuid())),
  title VARCHAR(100) COLLATE utf8mb4_0900_as_cs NOT NULL,
  tags JSON NOT NULL DEFAULT (json_array()),
  position POINT SRID 4326 NULL,
  secret INT INVISIBLE DEFAULT 7,
  PRIMARY KEY (id),
  KEY by_length ((char_length(title)) DESC),
  KEY by_tag ((CAST(tags->'$[*]' AS CHAR(40) ARRAY))),
  KEY hidden (title) INVISIBLE,
  CONSTRAINT not_checked CHECK (title <> 'x') NOT ENFORCED
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO modern (id, title, tags, position, secret) VALUES
  (uuid_to_bin('6ccd780c-baba-1026-9564-5b8c656024db'), 'Straße', '["röd", "grön"]', ST_GeomFromText('POINT(59.27 15.21)', 4326), 1),
  (uuid_to_bin('6ccd780c-baba-1026-9564-5b8c656024dc'), 'STRASSE', '[]', NULL, 2);
ALTER TABLE addresses ADD CONSTRAINT country_code CHECK (regexp_like(country, '^[A-Z]{2}$', 'c'));
