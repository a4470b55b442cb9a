-- A database with one of nearly everything that pg_dump writes. The roles script_owner, script_reader and
-- "script ""odd"" role" and the tablespace script_tablespace are there already.

CREATE EXTENSION hstore;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION btree_gist;
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA shop AUTHORIZATION script_owner;
CREATE SCHEMA "We ird.Schema;";
CREATE EXTENSION pg_trgm SCHEMA shop;
COMMENT ON SCHEMA shop IS 'it''s; a "shop" -- \. /* not
a comment';

CREATE TYPE shop.mood AS ENUM ('sad', 'o''k', 'hap;py', 'back\slash');
CREATE TYPE shop.address AS (street text, "no." integer);
CREATE TYPE shop.span AS RANGE (subtype = float8);
CREATE DOMAIN shop.positive AS integer DEFAULT 1 CONSTRAINT "above;0" CHECK (VALUE > 0);
CREATE DOMAIN shop.word AS text COLLATE "C" CHECK (VALUE ~ '^\w+$' AND VALUE <> E'a\\''b');
ALTER DOMAIN shop.word ADD CONSTRAINT later CHECK (VALUE <> 'x;y') NOT VALID;
CREATE COLLATION shop.plain (provider = libc, locale = 'C');

CREATE TABLE shop.customers (
    id integer GENERATED ALWAYS AS IDENTITY (START 10) PRIMARY KEY,
    name text NOT NULL, mood shop.mood, home shop.address, tags hstore,
    born date, extra jsonb DEFAULT '{"a": ";"}', total numeric(10, 2) DEFAULT 0,
    doubled numeric GENERATED ALWAYS AS (total * 2) STORED,
    CONSTRAINT named_well CHECK (name <> E'\\;' AND (name IS NOT NULL))
);
COMMENT ON TABLE shop.customers IS E'line one\n\\. \n;$$ "x"''y';
COMMENT ON COLUMN shop.customers.name IS '\restrict';
INSERT INTO shop.customers (name, mood, home, tags, born, total)
SELECT 'n' || i, 'hap;py', ROW('a;b'::text, i)::shop.address, hstore('k' || i, 'v'), date '2000-01-01' + i, i / 7.0
FROM generate_series(1, 300) i;
INSERT INTO shop.customers (name) VALUES ('\.'), (E'a\nb\tc\\\rd'), (''), ('\N'), ('日本語 ''quoted'' "x"'), (E'\x01');

CREATE TABLE shop.orders (
    id bigserial CONSTRAINT orders_key PRIMARY KEY,
    customer integer, placed timestamptz DEFAULT '2020-01-01 00:00Z', body bytea, amount shop.positive,
    during tsrange, parent bigint, code text, UNIQUE (code, customer) DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE shop.orders OWNER TO script_owner;
INSERT INTO shop.orders (customer, body, amount, during, code)
SELECT 10 + i % 300, sha256(i::text::bytea), 1 + i, tsrange('2020-01-01'::timestamp + i * interval '1 day',
    '2020-01-01'::timestamp + (i + 1) * interval '1 day'), 'c' || i FROM generate_series(1, 2000) i;
ALTER TABLE shop.orders ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (during WITH &&) WHERE (amount > 0);
ALTER TABLE shop.orders ADD FOREIGN KEY (customer) REFERENCES shop.customers ON DELETE CASCADE;
ALTER TABLE shop.orders ADD CONSTRAINT self FOREIGN KEY (id) REFERENCES shop.orders (id)
    DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE shop.orders ADD CONSTRAINT code_checked CHECK (code <> 'nothing;') NOT VALID;
CREATE INDEX orders_placed ON shop.orders (placed DESC NULLS LAST, lower(code)) WHERE code <> 'x;y';
COMMENT ON INDEX shop.orders_placed IS 'index; comment';
COMMENT ON CONSTRAINT one_at_a_time ON shop.orders IS 'constraint''s comment';
CREATE INDEX orders_trigram ON shop.orders USING gin (code shop.gin_trgm_ops);
ALTER TABLE shop.orders CLUSTER ON orders_key;
CREATE UNIQUE INDEX customers_name_born ON shop.customers (name, id);
CREATE UNIQUE INDEX customers_code ON shop.customers (id, name);
ALTER TABLE shop.customers REPLICA IDENTITY USING INDEX customers_code;
CREATE INDEX customers_statistics ON shop.customers ((total + 1));
ALTER INDEX shop.customers_statistics ALTER COLUMN 1 SET STATISTICS 500;
CREATE STATISTICS shop.together (dependencies) ON name, born FROM shop.customers;

CREATE TABLE "We ird.Schema;"."Ta""b.le
two" ("co;l" integer PRIMARY KEY, "select" text, "a
b" text);
INSERT INTO "We ird.Schema;"."Ta""b.le
two" VALUES (1, ';', E'\\.'), (2, NULL, E'\n\\.\n');
COMMENT ON TABLE "We ird.Schema;"."Ta""b.le
two" IS 'odd';
CREATE TABLE public.empty (a integer);
CREATE TABLE public.no_columns ();
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.no_columns DEFAULT VALUES;
CREATE UNLOGGED TABLE public.unlogged (a integer);
INSERT INTO public.unlogged VALUES (1);
CREATE TABLE public.parent (id integer NOT NULL, note text);
CREATE TABLE public.child (more text) INHERITS (public.parent);
INSERT INTO public.child VALUES (1, 'x', 'y');
CREATE SEQUENCE public.counter AS smallint INCREMENT BY -2 CYCLE;
SELECT nextval('public.counter');
CREATE SEQUENCE public.never_called;

CREATE TABLE public.measured (at date NOT NULL, place integer NOT NULL, value real, PRIMARY KEY (at, place))
    PARTITION BY RANGE (at);
CREATE TABLE public.measured_2020 PARTITION OF public.measured FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')
    PARTITION BY LIST (place);
CREATE TABLE public.measured_2020_one PARTITION OF public.measured_2020 FOR VALUES IN (1);
CREATE TABLE public.measured_2020_rest PARTITION OF public.measured_2020 DEFAULT;
CREATE TABLE public.measured_2021 PARTITION OF public.measured FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX measured_value ON public.measured (value);
INSERT INTO public.measured SELECT date '2020-01-01' + i, i % 3, i FROM generate_series(0, 700) i;
CREATE TABLE public.watched (at date, place integer, FOREIGN KEY (at, place) REFERENCES public.measured)
    PARTITION BY HASH (place);
CREATE TABLE public.watched_0 PARTITION OF public.watched FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.watched_1 PARTITION OF public.watched FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.watched SELECT at, place FROM public.measured WHERE place > 0;

CREATE TABLE public.elsewhere (a integer, b text) TABLESPACE script_tablespace;
CREATE INDEX elsewhere_a ON public.elsewhere (a) TABLESPACE script_tablespace;
CREATE INDEX elsewhere_b ON public.elsewhere (b);
ALTER TABLE public.elsewhere ADD CONSTRAINT elsewhere_key PRIMARY KEY (a) USING INDEX TABLESPACE script_tablespace;
INSERT INTO public.elsewhere VALUES (1, 'x');
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE public.other_method (a integer) USING heap_too;
INSERT INTO public.other_method VALUES (1);

CREATE FUNCTION shop.plain(a integer, b text DEFAULT 'x;y') RETURNS integer LANGUAGE plpgsql AS $body$
BEGIN
    -- $$ ; ' "
    RETURN CASE WHEN a > 0 THEN length(b) ELSE $x$;$x$::text::integer END;
END; $body$;
CREATE FUNCTION shop.standard(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN a > b THEN CASE b WHEN 1 THEN 2 ELSE 3 END ELSE b END;
    SELECT (a + CASE WHEN b > 0 THEN 1 ELSE 2 END);
END;
CREATE PROCEDURE shop.procedure(a integer) LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO public.empty SELECT a;
    DELETE FROM public.empty WHERE empty.a = procedure.a;
END;
CREATE FUNCTION shop.returned(a integer) RETURNS integer RETURN a + 1;
CREATE FUNCTION shop.grouped() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC SELECT name FROM shop.customers GROUP BY id; END;
ALTER FUNCTION shop.plain OWNER TO "script ""odd"" role";
CREATE AGGREGATE shop.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE FUNCTION shop.nearly(a text, b text) RETURNS boolean LANGUAGE sql AS 'SELECT lower(a) = lower(b);';
CREATE OPERATOR shop.=~= (LEFTARG = text, RIGHTARG = text, FUNCTION = shop.nearly);
CREATE CAST (shop.address AS integer) WITH INOUT;
CREATE TEXT SEARCH CONFIGURATION shop.search (COPY = simple);

CREATE VIEW shop.seen AS SELECT c.id, c.name, count(*) AS orders, 'x;y'::text AS semicolon
    FROM shop.customers c JOIN shop.orders o ON o.customer = c.id GROUP BY c.id;
CREATE VIEW shop.operated WITH (security_barrier) AS SELECT 'a' OPERATOR(shop.=~=) 'A' AS same;
CREATE MATERIALIZED VIEW shop.kept AS SELECT id, name FROM shop.seen;
CREATE UNIQUE INDEX kept_id ON shop.kept (id);
CREATE MATERIALIZED VIEW shop.kept_again AS SELECT count(*) FROM shop.kept;
CREATE MATERIALIZED VIEW shop.not_filled AS SELECT 1 AS one WITH NO DATA;

CREATE TABLE public.log (at timestamptz, what text);
CREATE RULE several AS ON UPDATE TO public.parent DO ALSO (
    INSERT INTO public.log VALUES (now(), 'a;b');
    INSERT INTO public.log VALUES (now(), new.note);
    DELETE FROM public.log WHERE what = ')';
);
CREATE RULE "no; delete" AS ON DELETE TO public.parent DO INSTEAD NOTHING;
CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.log VALUES (now(), TG_NAME); RETURN new; END $$;
CREATE TRIGGER fired BEFORE INSERT OR UPDATE OF name ON shop.customers FOR EACH ROW
    WHEN (new.name <> ';') EXECUTE FUNCTION public.fire('a;b', '\x');
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON shop.orders DEFERRABLE FOR EACH ROW
    EXECUTE FUNCTION public.fire();
ALTER TABLE shop.orders DISABLE TRIGGER checked;
COMMENT ON TRIGGER fired ON shop.customers IS 'trigger;';

ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY only_own ON shop.customers AS RESTRICTIVE FOR SELECT TO script_reader, "script ""odd"" role"
    USING (name = current_user AND mood <> 'sad');

CREATE PUBLICATION some_of_it FOR TABLE shop.customers (id, name) WHERE (id > 5), TABLE shop.orders;
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA public;
CREATE SUBSCRIPTION nothing_yet CONNECTION 'host=none.invalid' PUBLICATION p WITH (connect = false);
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'none.invalid', dbname 'a;b''c');
CREATE USER MAPPING FOR script_reader SERVER far OPTIONS (user 'u', password 'it''s; a "test"');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'v');
CREATE FOREIGN TABLE public.remote (a integer OPTIONS (column_name 'x;y')) SERVER far;

SELECT lo_create(70001), lo_create(70002), lo_create(70003);
SELECT lo_put(70001, 0, decode(repeat('00ff5c270a', 9000), 'hex')), lo_put(70003, 0, '\x5c2e0a');
COMMENT ON LARGE OBJECT 70001 IS 'large; ''object''';
GRANT SELECT ON LARGE OBJECT 70001 TO script_reader;
ALTER LARGE OBJECT 70003 OWNER TO script_owner;

GRANT USAGE ON SCHEMA shop TO script_reader, PUBLIC;
GRANT SELECT (id, name), UPDATE (name) ON shop.customers TO script_reader WITH GRANT OPTION;
SET ROLE script_owner;
GRANT SELECT ON shop.orders TO script_reader WITH GRANT OPTION;
SET ROLE script_reader;
GRANT SELECT ON shop.orders TO "script ""odd"" role";
RESET ROLE;
REVOKE EXECUTE ON FUNCTION shop.plain FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE script_owner IN SCHEMA shop GRANT SELECT ON TABLES TO script_reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION public.note_command() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER at_the_end ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.note_command();
CREATE EVENT TRIGGER asleep ON sql_drop EXECUTE FUNCTION public.note_command();
ALTER EVENT TRIGGER asleep DISABLE;
COMMENT ON EVENT TRIGGER asleep IS 'event; trigger';
