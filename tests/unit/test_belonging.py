"""What of a script belongs to a table, and what of it names another one."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from vya_backupdb.engines.base import Engine, ScriptTables
from vya_backupdb.engines.mysql.engine import ENGINE as MYSQL
from vya_backupdb.engines.postgresql.engine import ENGINE as POSTGRESQL
from vya_backupdb.model import Section, SectionKind


def schema(engine: Engine, text: str) -> tuple[Section, ScriptTables]:
    section = Section(SectionKind.SCHEMA, text.encode())
    return section, engine.tables([section])


def kept(engine: Engine, text: str, tables: Collection[str], without: Collection[str] = ()) -> str:
    section, found = schema(engine, text)
    return b"".join(section.body[a:b] for a, b in found.spans(section, tables, without)).decode()


POSTGRESQL_TABLE = r"""CREATE TABLE s."t.x" (
    id integer NOT NULL
);
ALTER TABLE s."t.x" OWNER TO a;
CREATE SEQUENCE s."t.x_id_seq"
    START WITH 1;
ALTER TABLE s."t.x_id_seq" OWNER TO a;
ALTER SEQUENCE s."t.x_id_seq" OWNED BY s."t.x".id;
ALTER TABLE ONLY s."t.x" ALTER COLUMN id SET DEFAULT nextval('s."t.x_id_seq"'::regclass);
ALTER TABLE s."t.x" ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME s.identity
    START WITH 1
);
SELECT pg_catalog.setval('s."t.x_id_seq"', 7, true);
SELECT pg_catalog.setval('s.identity', 7, true);
ALTER TABLE ONLY s."t.x"
    ADD CONSTRAINT "p.k" PRIMARY KEY (id);
CREATE UNIQUE INDEX "i.x" ON s."t.x" USING btree (id);
ALTER INDEX s."i.x" ALTER COLUMN 1 SET STATISTICS 7;
COMMENT ON INDEX s."p.k" IS 'x';
COMMENT ON COLUMN s."t.x".id IS 'x';
COMMENT ON CONSTRAINT "p.k" ON s."t.x" IS 'x';
COMMENT ON SEQUENCE s.identity IS 'x';
SECURITY LABEL FOR dummy ON TABLE s."t.x" IS 'x';
CREATE STATISTICS s."t.x" ON a, b FROM s."t.x";
ALTER STATISTICS s."t.x" OWNER TO a;
CREATE RULE r AS
    ON DELETE TO s."t.x" DO INSTEAD NOTHING;
CREATE TRIGGER r BEFORE UPDATE OF "on", b ON s."t.x" FOR EACH ROW EXECUTE FUNCTION s.f('on t');
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON s."t.x" FROM s.u FOR EACH ROW EXECUTE FUNCTION s.f();
CREATE POLICY p ON s."t.x" USING (true);
ALTER TABLE s."t.x" ENABLE ROW LEVEL SECURITY;
GRANT SELECT(id),UPDATE(id) ON TABLE s."t.x" TO a;
REVOKE ALL ON SEQUENCE s.identity FROM a;
"""
POSTGRESQL_OTHERS = r"""CREATE TABLE s.t (
    id integer
);
CREATE TABLE t."t.x" (
    id integer
);
CREATE SEQUENCE s.free;
SELECT pg_catalog.setval('s.free', 7, true);
CREATE VIEW s.v AS SELECT id FROM s."t.x";
COMMENT ON VIEW s.v IS 'x';
ALTER PUBLICATION p ADD TABLE ONLY s."t.x";
CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS $$begin
ALTER TABLE s."t.x" OWNER TO a;
end$$;
GRANT ALL ON FUNCTION s.f() TO a;
GRANT USAGE ON SCHEMA s TO a;
CREATE STATISTICS s.w ON a, b FROM s.t;
ALTER TABLE ONLY s.t
    ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES s."t.x"(id);
"""


def test_everything_of_a_postgresql_table_is_its_own_and_nothing_else() -> None:
    statements = POSTGRESQL_TABLE + POSTGRESQL_OTHERS
    assert kept(POSTGRESQL, statements, {'s."t.x"'}) == POSTGRESQL_TABLE
    assert kept(POSTGRESQL, POSTGRESQL_OTHERS + POSTGRESQL_TABLE, {'s."t.x"'}) == POSTGRESQL_TABLE


def test_a_setting_is_kept_only_where_something_of_the_table_needs_it() -> None:
    text = (
        "SET default_tablespace = fast;\nCREATE TABLE s.a (x integer);\n"
        "SET default_tablespace = '';\nCREATE TABLE s.b (x integer);\nSET default_tablespace = fast;\n"
    )
    assert kept(POSTGRESQL, text, {"s.b"}) == (
        "SET default_tablespace = '';\nCREATE TABLE s.b (x integer);\n"
    )


POSTGRESQL_REFERENCES = """CREATE TABLE s.a (x integer);
CREATE TABLE s.b (x integer);
CREATE TABLE s.b1 (x integer);
ALTER TABLE ONLY s.b ATTACH PARTITION s.b1 FOR VALUES IN (1);
CREATE INDEX i ON ONLY s.b USING btree (x);
CREATE INDEX i1 ON s.b1 USING btree (x);
ALTER INDEX s.i ATTACH PARTITION s.i1;
ALTER TABLE ONLY s.a
    ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES s.b(x) ON DELETE CASCADE;
ALTER TABLE ONLY s.a
    ADD CONSTRAINT itself FOREIGN KEY (x) REFERENCES s.a(x);
"""


def test_what_names_another_postgresql_table_is_told_and_can_be_left_out() -> None:
    _, tables = schema(POSTGRESQL, POSTGRESQL_REFERENCES)
    assert [(found.table, found.other, found.kind) for found in tables.references] == [
        ("s.b1", "s.b", "partitioned table"),
        ("s.a", "s.b", "table"),
    ]
    assert "FOREIGN KEY (x) REFERENCES s.b(x) ON DELETE CASCADE" in tables.references[-1].statement
    assert "ATTACH" not in kept(POSTGRESQL, POSTGRESQL_REFERENCES, {"s.b1"})
    assert kept(POSTGRESQL, POSTGRESQL_REFERENCES, {"s.a", "s.b", "s.b1"}) == POSTGRESQL_REFERENCES
    left = kept(POSTGRESQL, POSTGRESQL_REFERENCES, {"s.a", "s.b1"}, {"s.b"})
    assert "itself" in left
    assert "i1 ON s.b1" in left
    assert "ATTACH" not in left
    assert "s.b(x)" not in left


def test_a_partitioned_table_is_whole_with_its_partitions() -> None:
    _, tables = schema(POSTGRESQL, POSTGRESQL_REFERENCES)
    assert tables.whole({"s.b"}) == {"s.b", "s.b1"}
    assert tables.whole({"s.b1"}) == {"s.b1"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("t", ["s.t"]),
        ("T", ["s.t"]),
        ("s.t", ["s.t"]),
        ('"s"."t"', ["s.t"]),
        ("t.x", ["t.x"]),
        ('"t.x"', ['s."t.x"']),
        ('s."t.x"', ['s."t.x"']),
        ("s.t.x", ['s."t.x"']),
        ("Odd", ['s."Odd"']),
        ('"Odd"', ['s."Odd"']),
        ("we ird", ['s."we ird"']),
        ("twice", ["s.twice", "t.twice"]),
        ("t.twice", ["t.twice"]),
        ("nothing", []),
        ("", []),
    ],
)
def test_a_postgresql_table_is_named_as_people_write_it(written: str, meant: list[str]) -> None:
    names = ("s.t", 's."t.x"', "t.x", 's."Odd"', 's."we ird"', "s.twice", "t.twice")
    _, tables = schema(POSTGRESQL, "".join(f"CREATE TABLE {name} (x integer);\n" for name in names))
    assert tables.meant(written) == meant


MYSQL_TABLE = """DROP TABLE IF EXISTS `t``x`;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `t``x` (
  `id` int NOT NULL COMMENT 'a, FOREIGN KEY (b) REFERENCES c (d)',
  `p` int DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `p` (`p`),
  CONSTRAINT `one` FOREIGN KEY (`p`) REFERENCES `parent` (`id`) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT `self` FOREIGN KEY (`p`) REFERENCES `t``x` (`id`),
  CONSTRAINT `c` CHECK ((`id` > 0))
) ENGINE=InnoDB;
"""
MYSQL_TRIGGER = """DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`on`@`%`*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `t``x` FOR EACH ROW
BEGIN INSERT INTO log SELECT 1; END */;;
DELIMITER ;
"""
MYSQL_OTHERS = """CREATE TABLE `parent` (
  `id` int NOT NULL
);
CREATE VIEW `t``x v` AS SELECT 1 AS `a`;
DELIMITER ;;
CREATE DEFINER=`a`@`b` PROCEDURE `t``x`() BEGIN DROP TABLE `t``x`; END ;;
DELIMITER ;
"""


def test_a_mysql_table_has_its_triggers_and_not_what_has_the_same_name() -> None:
    left = kept(MYSQL, MYSQL_OTHERS + MYSQL_TABLE + MYSQL_TRIGGER, {"t`x"})
    assert left.replace("DELIMITER ;;\nDELIMITER ;\n", "") == MYSQL_TABLE + MYSQL_TRIGGER


def test_foreign_keys_of_a_mysql_table_are_told_and_can_be_left_out() -> None:
    _, tables = schema(MYSQL, MYSQL_TABLE + MYSQL_OTHERS)
    assert [(key.table, key.other) for key in tables.references] == [("t`x", "parent"), ("t`x", "t`x")]
    assert tables.references[0].statement == (
        "ALTER TABLE `t``x` ADD CONSTRAINT `one` FOREIGN KEY (`p`) REFERENCES `parent` (`id`)"
        " ON DELETE CASCADE ON UPDATE SET NULL"
    )
    clause = next(line for line in MYSQL_TABLE.splitlines(keepends=True) if "`one`" in line)
    assert kept(MYSQL, MYSQL_TABLE, {"t`x"}, {"parent"}) == MYSQL_TABLE.replace(clause, "")


def test_alter_database_is_kept_only_around_what_belongs_to_the_table() -> None:
    pair = "ALTER DATABASE `d` CHARACTER SET latin1 ;\n{}ALTER DATABASE `d` CHARACTER SET utf8mb4 ;\n"
    other = MYSQL_TRIGGER.replace("`tr`", "`u`").replace("ON `t``x`", "ON `parent`")
    left = kept(MYSQL, MYSQL_TABLE + pair.format(other), {"t`x"})
    assert "ALTER DATABASE" not in left
    assert kept(MYSQL, MYSQL_TABLE + pair.format(MYSQL_TRIGGER), {"t`x"}) == (
        MYSQL_TABLE + pair.format(MYSQL_TRIGGER)
    )


def test_a_stand_in_for_a_view_is_no_table() -> None:
    text = (
        "CREATE TABLE `v` (\n  `a` tinyint NOT NULL\n);\nCREATE ALGORITHM=MERGE VIEW `v` AS SELECT 1 AS b;\n"
    )
    _, tables = schema(MYSQL, text)
    assert list(tables.names) == []


@pytest.mark.parametrize(("written", "meant"), [("t`x", ["t`x"]), ("`t``x`", ["t`x"]), ("T`x", []), ("", [])])
def test_a_mysql_table_is_named_with_or_without_backticks(written: str, meant: list[str]) -> None:
    _, tables = schema(MYSQL, MYSQL_TABLE)
    assert tables.meant(written) == meant
