CREATE TABLE j (a json);
INSERT INTO j VALUES ('{"a": "b\\"c;),(", "e": [1, 2.5]}');
