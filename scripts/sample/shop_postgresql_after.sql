-- What follows the rows: large objects, filled views, and what only a superuser makes.
SET client_min_messages = warning;
SET role shop_owner;
SET search_path = shop, extensions, public;
UPDATE products SET size = ROW(id, id * 2, NULL), labels = ARRAY['neu', 'it''s', NULL, '{"a"}'], extra = hstore('k "ey"', 'välue')
  WHERE id % 10 = 0;
INSERT INTO "Lager & Einkauf"."Bestände" SELECT id, id % 17 FROM products;
UPDATE products SET price = price + 1 WHERE id % 50 = 0;
REFRESH MATERIALIZED VIEW best_customers;
SELECT setval('customers_id_seq', 100070), setval('product_numbers', 5010, false), setval('orders_id_seq', (SELECT max(id) FROM orders)) \g /dev/null
SELECT lo_from_bytea(77001, decode(repeat('00ff5c27', 50000), 'hex')), lo_from_bytea(77002, ''), lo_from_bytea(77003, 'Größe; 漢字'::bytea) \g /dev/null
COMMENT ON LARGE OBJECT 77001 IS 'a manual; it''s big';
GRANT SELECT ON LARGE OBJECT 77003 TO shop_reader;
RESET role;
ALTER LARGE OBJECT 77002 OWNER TO "Shop Ädmin";
CREATE PUBLICATION shop_orders FOR TABLE shop.orders, shop.order_items WITH (publish = 'insert, update');
CREATE FUNCTION audit.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit.changes (what) VALUES (jsonb_build_object('ddl', tg_tag));
END $$;
CREATE EVENT TRIGGER note_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION audit.note_ddl();
CREATE EVENT TRIGGER asleep ON sql_drop EXECUTE FUNCTION audit.note_ddl();
ALTER EVENT TRIGGER asleep DISABLE;
