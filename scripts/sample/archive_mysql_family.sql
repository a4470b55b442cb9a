-- A second, smaller database: other character sets, other engines, a cycle of foreign keys.
SET NAMES utf8mb4;
SET SESSION foreign_key_checks = 0;
CREATE TABLE left_one (id INT NOT NULL PRIMARY KEY, right_id INT NULL, CONSTRAINT to_right FOREIGN KEY (right_id) REFERENCES right_one (id)) ENGINE=InnoDB;
CREATE TABLE right_one (id INT NOT NULL PRIMARY KEY, left_id INT NULL, CONSTRAINT to_left FOREIGN KEY (left_id) REFERENCES left_one (id)) ENGINE=InnoDB;
SET SESSION foreign_key_checks = 1;
INSERT INTO left_one VALUES (1, NULL), (2, NULL);
INSERT INTO right_one VALUES (1, 1), (2, 2);
UPDATE left_one SET right_id = 3 - id;

CREATE TABLE letters (
  id INT NOT NULL PRIMARY KEY,
  western VARCHAR(50) CHARACTER SET latin1,
  central VARCHAR(50) CHARACTER SET latin2,
  russian VARCHAR(50) CHARACTER SET koi8r,
  wide VARCHAR(50) CHARACTER SET utf16,
  old_utf8 VARCHAR(50) CHARACTER SET utf8mb3
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO letters VALUES (1, 'Åäö ß €', 'Łódź', 'Москва', '漢字 🐘', 'Ελλάδα'), (2, '', NULL, 'ё', '', '');

CREATE TABLE counters (name VARCHAR(20) NOT NULL PRIMARY KEY, value INT NOT NULL) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO counters VALUES ('visits', 17), ('sales', 4);

CREATE VIEW crossing AS SELECT l.id AS l, r.id AS r FROM left_one l JOIN right_one r ON r.id = l.right_id;
