CREATE SCHEMA "sch ema.;""x";
CREATE SCHEMA "-- leading";
CREATE SCHEMA "SELECT";
CREATE TABLE "sch ema.;""x"."a b" ("co l" int PRIMARY KEY, "quo""te" text, "%s" text, "new
line" text, "-dash" int, "UPPER" int, "select" int, "🙂" int, "a.b" int, "\." text, "'" int, "$$" int);
INSERT INTO "sch ema.;""x"."a b" VALUES (1, 'x', '%', E'\n', -1, 2, 3, 4, 5, '\.', 6, 7);
CREATE TABLE "SELECT"."from" ("where" int CHECK ("where" > 0), "order" text UNIQUE);
CREATE TABLE "-- leading"."--" (n int);
INSERT INTO "-- leading"."--" VALUES (1);
CREATE TABLE "it's; DROP TABLE x; --" (n int);
INSERT INTO "it's; DROP TABLE x; --" VALUES (1);
CREATE TABLE "\! ls" (n int);
CREATE TABLE "tab	s" (n int);
CREATE TABLE "ret
urn" (n int);
CREATE TABLE "/* comment" (n int);
CREATE TABLE "*/" (n int);
CREATE TABLE "🙂 täble" (n int);
CREATE TABLE "UPPER" (n int);
CREATE TABLE "upper" (n int);
CREATE TABLE "Ünïcode" (n int);
CREATE TABLE "%(x)s %s %%" (n int);
CREATE TABLE " " (n int);
CREATE TABLE "COPY x FROM stdin;" (n int);
CREATE TABLE "sixty-three bytes -----------------------------------------------x" (n int);
INSERT INTO "COPY x FROM stdin;" VALUES (1);
INSERT INTO "%(x)s %s %%" VALUES (1);
CREATE VIEW "a view; ""quoted"" $$" AS SELECT n AS "co;l" FROM " ";
CREATE SEQUENCE "se;q""uence";
SELECT nextval('"se;q""uence"');
CREATE FUNCTION "fun;c'tion"("a rg" int) RETURNS int LANGUAGE sql AS $f$ SELECT "a rg" -- ; $$
        $f$;
CREATE TYPE "ty pe;" AS ENUM ('a;b', 'it''s', '\.', E'new\nline');
CREATE TABLE typed (v "ty pe;");
INSERT INTO typed SELECT unnest(enum_range(NULL::"ty pe;"));
CREATE INDEX "in;dex
" ON "UPPER" (n);
CREATE ROLE "hard; drop" NOLOGIN;
ALTER TABLE "upper" OWNER TO "hard ""odd"", role";
GRANT SELECT ON " " TO "hard ""odd"", role";
COMMENT ON TABLE " " IS E'a\n\\. comment; -- "x"\n\\connect postgres\n';
DROP ROLE "hard; drop";
CREATE TRIGGER "tr; igger" BEFORE UPDATE ON "UPPER" FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger();
