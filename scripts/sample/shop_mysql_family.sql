-- The shop on MySQL and MariaDB, without rows: what both flavours understand.
SET NAMES utf8mb4;
SET time_zone = '+00:00';

CREATE TABLE categories (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT,
  parent_id SMALLINT UNSIGNED NULL,
  name VARCHAR(120) NOT NULL,
  position INT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY name_within_parent (parent_id, name),
  CONSTRAINT category_parent FOREIGN KEY (parent_id) REFERENCES categories (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='a tree; "root" has no parent';

CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  email VARCHAR(190) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
  name VARCHAR(200) NOT NULL COMMENT 'as the customer writes it: it''s "free" text; \\ and % too',
  language CHAR(2) CHARACTER SET latin1 NOT NULL DEFAULT 'sv',
  kind ENUM('private', 'company', 'öffentlich', 'it''s, odd') NOT NULL DEFAULT 'private',
  interests SET('books', 'music', 'garden', 'båt') NOT NULL DEFAULT '',
  born DATE NULL,
  credit DECIMAL(12,2) NOT NULL DEFAULT 0.00,
  active BIT(1) NOT NULL DEFAULT b'1',
  flags BIT(12) NOT NULL DEFAULT b'101',
  preferences JSON NULL,
  registered DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  name_key VARCHAR(200) GENERATED ALWAYS AS (lower(name)) VIRTUAL,
  domain VARCHAR(190) GENERATED ALWAYS AS (substring_index(email, '@', -1)) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY email (email),
  KEY name_key (name_key(40)),
  KEY domain (domain),
  CONSTRAINT credit_is_sane CHECK (credit >= -1000 AND credit < 1000000)
) ENGINE=InnoDB AUTO_INCREMENT=100000 DEFAULT CHARSET=utf8mb4;

CREATE TABLE addresses (
  customer_id INT UNSIGNED NOT NULL,
  number TINYINT UNSIGNED NOT NULL,
  street VARCHAR(200) NOT NULL,
  city VARCHAR(100) NOT NULL,
  country CHAR(2) CHARACTER SET ascii NOT NULL,
  place POINT NOT NULL,
  PRIMARY KEY (customer_id, number),
  SPATIAL KEY place (place),
  CONSTRAINT address_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE products (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  category_id SMALLINT UNSIGNED NOT NULL,
  sku VARBINARY(16) NOT NULL,
  title VARCHAR(250) NOT NULL,
  description MEDIUMTEXT,
  price DECIMAL(10,2) NOT NULL,
  vat_rate DECIMAL(4,3) NOT NULL DEFAULT 0.250,
  price_with_vat DECIMAL(12,3) GENERATED ALWAYS AS (round(price * (1 + vat_rate), 3)) STORED,
  weight DOUBLE NULL COMMENT 'kg',
  attributes JSON NULL,
  state ENUM('draft', 'for sale', 'sold out', 'withdrawn') NOT NULL DEFAULT 'draft',
  available_from DATE NOT NULL DEFAULT '2020-01-01',
  PRIMARY KEY (id),
  UNIQUE KEY sku (sku),
  KEY by_state_and_price (state, price),
  FULLTEXT KEY words (title, description),
  CONSTRAINT product_category FOREIGN KEY (category_id) REFERENCES categories (id),
  CONSTRAINT price_is_positive CHECK (price >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC;

CREATE TABLE product_images (
  product_id INT UNSIGNED NOT NULL,
  number SMALLINT NOT NULL,
  content LONGBLOB NOT NULL,
  thumbnail TINYBLOB,
  digest BINARY(32) NOT NULL,
  PRIMARY KEY (product_id, number),
  CONSTRAINT image_product FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id INT UNSIGNED NOT NULL,
  placed DATETIME(3) NOT NULL,
  state ENUM('new', 'paid', 'sent', 'returned') NOT NULL DEFAULT 'new',
  delivery_customer_id INT UNSIGNED NULL,
  delivery_number TINYINT UNSIGNED NULL,
  note TEXT,
  total DECIMAL(14,2) NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY placed (placed),
  CONSTRAINT order_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
  CONSTRAINT order_delivery FOREIGN KEY (delivery_customer_id, delivery_number) REFERENCES addresses (customer_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  amount DECIMAL(14,2) GENERATED ALWAYS AS (quantity * price) VIRTUAL,
  PRIMARY KEY (order_id, line),
  CONSTRAINT item_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  CONSTRAINT item_product FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE payments (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  order_id BIGINT UNSIGNED NOT NULL,
  paid_on DATE NOT NULL,
  amount DECIMAL(30,10) NOT NULL,
  method VARCHAR(20) NOT NULL,
  PRIMARY KEY (id, paid_on)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
PARTITION BY RANGE COLUMNS (paid_on) (
  PARTITION p2023 VALUES LESS THAN ('2024-01-01'),
  PARTITION p2024 VALUES LESS THAN ('2025-01-01') COMMENT = 'the year after',
  PARTITION p2025 VALUES LESS THAN ('2026-01-01'),
  PARTITION later VALUES LESS THAN (MAXVALUE)
);

CREATE TABLE visits (
  at DATETIME NOT NULL,
  visitor BIGINT NOT NULL,
  page VARCHAR(200) NOT NULL,
  duration TIME(6) NULL,
  KEY at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
PARTITION BY HASH (year(at)) PARTITIONS 4;

CREATE TABLE extremes (
  id INT NOT NULL PRIMARY KEY,
  tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, big BIGINT, huge BIGINT UNSIGNED,
  exact DECIMAL(65,30), approximate DOUBLE, since YEAR, span TIME(6), moment DATETIME(6), instant TIMESTAMP(6) NULL,
  short_binary VARBINARY(300), `text of "any' kind\\` LONGTEXT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `odd; name -- with "quotes", ``ticks`` and 50% more` (
  `select` INT NOT NULL,
  ` leading space` VARCHAR(10) DEFAULT ';',
  `größe (cm)` DECIMAL(5,1) DEFAULT NULL,
  PRIMARY KEY (`select`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE empty_one (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, note VARCHAR(10)) ENGINE=InnoDB AUTO_INCREMENT=4711 DEFAULT CHARSET=utf8mb4;

CREATE TABLE changes (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  subject VARCHAR(64) NOT NULL,
  subject_id BIGINT NOT NULL,
  what VARCHAR(400) NOT NULL,
  by_whom VARCHAR(100) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE VIEW active_customers AS SELECT id, name, email, kind FROM customers WHERE active = b'1' WITH CASCADED CHECK OPTION;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW company_customers AS SELECT id, name FROM active_customers WHERE kind <> 'private';
CREATE VIEW revenue_by_month AS
  SELECT date_format(o.placed, '%Y-%m') AS month, count(distinct o.id) AS orders, sum(i.quantity * i.price) AS revenue
  FROM orders o JOIN order_items i ON i.order_id = o.id GROUP BY month;
CREATE VIEW `a view; on a "view"` AS SELECT month, revenue FROM revenue_by_month WHERE revenue > 0 ORDER BY month;

DELIMITER ;;
CREATE FUNCTION with_vat(amount DECIMAL(12,2), rate DECIMAL(4,3)) RETURNS DECIMAL(12,2)
  DETERMINISTIC NO SQL COMMENT 'it''s rounded'
  RETURN round(amount * (1 + rate), 2);;

CREATE FUNCTION greeting(who VARCHAR(200) CHARSET utf8mb4) RETURNS VARCHAR(300) CHARSET utf8mb4
  DETERMINISTIC
BEGIN
  -- a comment; with a semicolon and a ' quote
  DECLARE said VARCHAR(300) CHARSET utf8mb4 DEFAULT 'Grüß Gott; 你好 "';
  # another
  IF who IS NULL THEN RETURN concat(said, '!'); END IF;
  RETURN concat(said, who, '" \\ // $$ ;');
END;;

CREATE PROCEDURE recompute_totals(IN first_order BIGINT UNSIGNED, OUT touched INT)
  MODIFIES SQL DATA
BEGIN
  DECLARE done BOOL DEFAULT FALSE;
  DECLARE one BIGINT UNSIGNED;
  DECLARE every_order CURSOR FOR SELECT id FROM orders WHERE id >= first_order;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  SET touched = 0;
  OPEN every_order;
  walk: LOOP
    FETCH every_order INTO one;
    IF done THEN LEAVE walk; END IF;
    UPDATE orders SET total = (SELECT coalesce(sum(quantity * price), 0) FROM order_items WHERE order_id = one) WHERE id = one;
    SET touched = touched + 1;
  END LOOP;
  CLOSE every_order;
END;;

CREATE DEFINER=`shop_app`@`localhost` PROCEDURE withdraw(IN product INT UNSIGNED)
  SQL SECURITY DEFINER
BEGIN
  UPDATE products SET state = 'withdrawn' WHERE id = product; -- says nothing
END;;

CREATE TRIGGER customer_before_insert BEFORE INSERT ON customers FOR EACH ROW
BEGIN
  IF NEW.email NOT LIKE '%@%' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not an address; look again';
  END IF;
END;;

CREATE TRIGGER product_after_update AFTER UPDATE ON products FOR EACH ROW
  INSERT INTO changes (subject, subject_id, what, by_whom)
  VALUES ('product', NEW.id, concat('price ', OLD.price, ' → ', NEW.price), 'somebody');;

CREATE TRIGGER product_after_update_second AFTER UPDATE ON products FOR EACH ROW FOLLOWS product_after_update
BEGIN
  IF OLD.state <> NEW.state THEN
    INSERT INTO changes (subject, subject_id, what, by_whom) VALUES ('product', NEW.id, concat(OLD.state, ' -> ', NEW.state), 'somebody');
  END IF;
END;;

CREATE EVENT nightly_totals ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 03:00:00' ON COMPLETION PRESERVE ENABLE
  COMMENT 'at night; "cheap"' DO CALL recompute_totals(1, @touched);;
CREATE EVENT hourly_cleaning ON SCHEDULE EVERY 1 HOUR STARTS '2035-01-01 00:00:00' ENDS '2037-12-31 00:00:00' DISABLE
  DO BEGIN
    DELETE FROM visits WHERE at < now() - INTERVAL 1 YEAR;
    SET @cleaned = 1;
  END;;
CREATE EVENT far_in_the_future ON SCHEDULE AT '2036-05-05 05:05:05' DO INSERT INTO changes (subject, subject_id, what, by_whom) VALUES ('event', 0, 'it is 2036', 'event');;
DELIMITER ;
