-- vya-backupdb archive 1
-- accounts of MariaDB 10.11.19
SET NAMES utf8mb4;
SET SESSION sql_mode = '';
CREATE ROLE `golden_reader`;
GRANT SELECT ON `shop`.* TO `golden_reader`;

-- vya-manifest: {"version":1,"codec":"none","raw_bytes":152,"rows":0,"largest_statement":45,"objects":["golden_reader"],"tables":{"golden_reader":0},"columns":["offset","length","raw_length","crc","kind","object","rows","sequential","largest_statement"],"frames":[[26,78,78,1662200706,"header",null,0,0,0],[104,29,29,99506237,"schema",0,0,0,29],[133,45,45,234410525,"post",0,0,0,45]]}
-- vya-locator: offset=178 length=387 raw_length=387 crc=0278298c check=b2fdd10a
