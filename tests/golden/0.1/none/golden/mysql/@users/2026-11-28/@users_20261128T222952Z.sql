-- vya-backupdb archive 1
-- accounts of MySQL 9.7.4
SET NAMES utf8mb4;
SET SESSION sql_mode = '';
CREATE ROLE `golden_reader`@`%`;
GRANT SELECT ON `shop`.* TO `golden_reader`@`%`;

-- vya-manifest: {"version":1,"codec":"none","raw_bytes":155,"rows":0,"largest_statement":49,"objects":["golden_reader@%"],"tables":{"golden_reader@%":0},"columns":["offset","length","raw_length","crc","kind","object","rows","sequential","largest_statement"],"frames":[[26,73,73,3305362714,"header",null,0,0,0],[99,33,33,1074178657,"schema",0,0,0,33],[132,49,49,517318380,"post",0,0,0,49]]}
-- vya-locator: offset=181 length=392 raw_length=392 crc=a3cf6550 check=218999af
