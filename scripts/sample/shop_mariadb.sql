-- What only MariaDB has.
CREATE SEQUENCE invoice_numbers START WITH 1000 INCREMENT BY 10 MAXVALUE 999990 CACHE 5 CYCLE;
CREATE SEQUENCE `odd sequence` START WITH -5 INCREMENT BY -1 MINVALUE -1000 MAXVALUE -1 NOCACHE;
DO nextval(invoice_numbers);
DO nextval(invoice_numbers);
DO nextval(`odd sequence`);

CREATE TABLE invoices (
  number BIGINT NOT NULL DEFAULT (nextval(invoice_numbers)),
  customer_id INT UNSIGNED NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  PRIMARY KEY (number)
) ENGINE=InnoDB;
INSERT INTO invoices (customer_id, amount) VALUES (1, 10.5), (2, 20.25);

CREATE TABLE prices (
  product_id INT UNSIGNED NOT NULL PRIMARY KEY,
  price DECIMAL(10,2) NOT NULL
) ENGINE=InnoDB WITH SYSTEM VERSIONING;
SET timestamp = unix_timestamp('2024-01-01 10:00:00');
INSERT INTO prices VALUES (1, 10), (2, 20), (3, 30);
SET timestamp = unix_timestamp('2024-06-01 10:00:00');
UPDATE prices SET price = price * 1.1 WHERE product_id < 3;
SET timestamp = unix_timestamp('2025-01-01 10:00:00');
DELETE FROM prices WHERE product_id = 1;
SET timestamp = DEFAULT;

CREATE TABLE campaigns (
  id INT NOT NULL,
  starts DATE NOT NULL,
  ends DATE NOT NULL,
  reference UUID NOT NULL,
  origin INET6 NULL,
  PERIOD FOR validity (starts, ends),
  PRIMARY KEY (id, validity WITHOUT OVERLAPS)
) ENGINE=InnoDB;
INSERT INTO campaigns VALUES (1, '2024-01-01', '2024-02-01', '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329'),
  (1, '2024-02-01', '2024-03-01', '123e4567-e89b-12d3-a456-426655440001', NULL);

DELIMITER ;;
CREATE AGGREGATE FUNCTION longest_text(candidate TEXT) RETURNS TEXT DETERMINISTIC
BEGIN
  DECLARE longest TEXT DEFAULT '';
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN longest;
  LOOP
    FETCH GROUP NEXT ROW;
    IF char_length(candidate) > char_length(longest) THEN SET longest = candidate; END IF;
  END LOOP;
END;;
SET sql_mode = 'ORACLE';;
CREATE PACKAGE price_tools AS
  FUNCTION rounded(amount DECIMAL(10,2)) RETURN DECIMAL(10,2);
END;;
CREATE PACKAGE BODY price_tools AS
  FUNCTION rounded(amount DECIMAL(10,2)) RETURN DECIMAL(10,2) AS
  BEGIN
    RETURN round(amount); -- half up
  END;
END;;
SET sql_mode = DEFAULT;;
DELIMITER ;
