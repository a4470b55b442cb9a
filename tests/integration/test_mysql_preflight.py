"""What the preflight says of an account is held against what the tool really dumps for it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest

from scripts.sample.clients import create_database, drop_database, run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import (
    account,
    connected,
    dumped,
    instance_of,
    only_on,
    plan_of,
    privilege_findings,
    restored,
    run_command,
    superuser,
)
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.dump.stderr import judge_for
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.errors import BackupError
from vya_backupdb.model import DumpPlan, Severity, Verdict
from vya_backupdb.scratch import ScratchServer

OBJECTS = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'row of t');
CREATE TABLE u (id int PRIMARY KEY);
INSERT INTO u VALUES (4712);
CREATE VIEW v AS SELECT * FROM t;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 1;
CREATE PROCEDURE p() SELECT 1;
CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1;
"""
OF_MARIADB = """
CREATE SEQUENCE s;
SET SESSION sql_mode = ORACLE;
DELIMITER ;;
CREATE PACKAGE pk AS FUNCTION g RETURN int; END;;
CREATE PACKAGE BODY pk AS FUNCTION g RETURN int AS BEGIN RETURN 1; END; END;;
"""
OF_MYSQL = "CREATE LIBRARY lib LANGUAGE JAVASCRIPT AS 'export function x() {}';"
COUNTS = {"table": 2, "view": 1, "trigger": 1, "procedure": 1, "function": 1, "event": 1}
COUNTS_MARIADB = {**COUNTS, "sequence": 1, "package": 1, "package body": 1}
COUNTS_MYSQL = {**COUNTS, "library": 1}

LEAST = {
    "mysql": ("SELECT, SHOW VIEW, TRIGGER, EVENT ON {}.*", "SHOW_ROUTINE ON *.*"),
    "mariadb": ("SELECT, SHOW VIEW, TRIGGER, EVENT ON {}.*", "SELECT ON mysql.proc"),
}


def least(server: ScratchServer, database: str) -> tuple[str, ...]:
    name = "`" + re.sub(r"([_%])", r"\\\1", database).replace("`", "``") + "`"
    grants = [grant.format(name) for grant in LEAST[server.flavour]]
    if server.flavour == "mariadb" and server.binaries.version_number >= (11, 3, 1):
        grants = [grants[0].replace("EVENT", "EVENT, SHOW CREATE ROUTINE")]
    return tuple(grants)


@pytest.fixture(scope="module")
def database(mysql_server: ScratchServer) -> Iterator[str]:
    """A database with one object of every kind that the server knows; no test changes it."""
    name = f"t_{secrets.token_hex(4)}"
    create_database(mysql_server, name)
    own = OF_MARIADB if mysql_server.flavour == "mariadb" else OF_MYSQL
    run_sql(mysql_server, OBJECTS + own, name)
    yield name
    drop_database(mysql_server, name)


def is_whole(script: bytes, flavour: str) -> bool:
    kinds = ["TRIGGER `?tr`?", "PROCEDURE `p`", "FUNCTION `f`", "EVENT `e`", "VIEW `v` AS select"]
    if flavour == "mariadb":
        kinds += ["SEQUENCE `s`", 'PACKAGE "pk"', 'PACKAGE BODY "pk"']
    else:
        kinds += ["LIBRARY `lib`"]
    made = all(re.search(rf"CREATE[^;]*?{kind}".encode(), script, re.IGNORECASE) for kind in kinds)
    return made and b"row of t" in script and b"4712" in script


def test_the_least_grants_pass_and_give_a_whole_dump(mysql_server: ScratchServer, database: str) -> None:
    with account(mysql_server, *least(mysql_server, database)) as credential:
        assert privilege_findings(plan_of(mysql_server, database, credential).findings) == []
        done = dumped(mysql_server, database, credential)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert is_whole(done.stdout, mysql_server.flavour)


WITHOUT_SIGHT_OF_ROUTINES = [
    "SELECT, SHOW VIEW, TRIGGER, EVENT ON `{}`.*",
    "SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*",
    "ALL ON `{}`.*",
    "ALL ON *.*",
    "SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*;SELECT ON `{}`.*",
]
SOME = [
    "",
    *WITHOUT_SIGHT_OF_ROUTINES,
    "ROUTINES;SELECT ON `{}`.*",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER ON `{}`.*",
    "ROUTINES;SELECT, SHOW VIEW, EVENT ON `{}`.*",
    "ROUTINES;SELECT, TRIGGER, EVENT ON `{}`.*",
    "ROUTINES;SHOW VIEW, TRIGGER, EVENT ON `{}`.*",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER, EVENT ON `{}`.*",
    "ROUTINES;ALL ON `t\\_%`.*",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER ON `{}`.t",
    "ROUTINES;SELECT (id) ON `{}`.t",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER, EVENT ON `t\\_%`.*;TRIGGER ON `{}`.*",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER, EVENT ON `t\\_%`.*;SELECT ON `t%`.*",
    "ROUTINES;SELECT, SHOW VIEW, TRIGGER, EVENT ON `t%`.*;SELECT ON `t\\_%`.*",
]


@pytest.mark.parametrize("grants", SOME, ids=lambda grants: grants.replace(" ", "_") or "nothing")
@pytest.mark.limitation("mysql-missing-privileges")
@pytest.mark.limitation("mysql-hidden-wildcards")
def test_an_account_passes_only_if_its_dump_is_whole(
    mysql_server: ScratchServer, database: str, grants: str
) -> None:
    routines = "SHOW_ROUTINE ON *.*" if mysql_server.flavour == "mysql" else "SELECT ON mysql.proc"
    given = [
        routines if grant == "ROUTINES" else grant.format(database) for grant in grants.split(";") if grant
    ]
    with account(mysql_server, *given) as credential:
        if not grants:
            # Without any privilege on it, MySQL and MariaDB do not even say that the database is there.
            with pytest.raises(BackupError, match="does not exist"):
                plan_of(mysql_server, database, credential)
            return
        missing = privilege_findings(plan_of(mysql_server, database, credential).findings)
        done = dumped(mysql_server, database, credential)
    whole = done.returncode == 0 and is_whole(done.stdout, mysql_server.flavour)
    if grants.count(";") > 1:
        # Which of several wildcards counts is not foreseen: then more may be asked for than is needed.
        assert whole or missing, done.stderr
    else:
        assert whole == (not missing), (missing, done.stderr)


@pytest.mark.parametrize(
    "grants",
    ["SELECT ON `{}`.t", "SELECT, SHOW VIEW ON `t\\_%`.*", "SELECT, TRIGGER ON *.*", "EVENT ON `{}`.*"],
)
def test_the_named_grants_mend_what_is_missing(
    mysql_server: ScratchServer, database: str, grants: str
) -> None:
    with account(mysql_server, grants.format(database)) as credential:
        missing = privilege_findings(plan_of(mysql_server, database, credential).findings)
        assert missing
        for cure in dict.fromkeys(finding.cure for finding in missing):
            assert cure is not None
            run_sql(mysql_server, cure)
        assert privilege_findings(plan_of(mysql_server, database, credential).findings) == []
        done = dumped(mysql_server, database, credential)
    assert is_whole(done.stdout, mysql_server.flavour), done.stderr


def test_each_missing_privilege_is_named_with_the_database(
    mysql_server: ScratchServer, database: str
) -> None:
    with account(mysql_server, f"SELECT ON {database}.t") as credential:
        findings = privilege_findings(plan_of(mysql_server, database, credential).findings)
    said = " ".join(finding.what for finding in findings)
    for name in ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "routines"):
        assert name in said
    assert all(finding.object == database for finding in findings)


def test_privileges_of_a_default_role_count(mysql_server: ScratchServer, database: str) -> None:
    role = f"r_{database}"
    run_sql(mysql_server, f"CREATE ROLE {role}")
    try:
        for grant in least(mysql_server, database):
            run_sql(mysql_server, f"GRANT {grant} TO {role}")
        with account(mysql_server) as credential:
            run_sql(mysql_server, f"GRANT {role} TO '{credential.username}'@'%'")
            with pytest.raises(BackupError):
                plan_of(mysql_server, database, credential)
            word = "TO" if mysql_server.flavour == "mysql" else "FOR"
            run_sql(mysql_server, f"SET DEFAULT ROLE {role} {word} '{credential.username}'@'%'")
            assert privilege_findings(plan_of(mysql_server, database, credential).findings) == []
            assert is_whole(dumped(mysql_server, database, credential).stdout, mysql_server.flavour)
    finally:
        run_sql(mysql_server, f"DROP ROLE {role}")


def test_a_partial_revoke_is_found(mysql_server: ScratchServer, database: str) -> None:
    only_on(mysql_server, "mysql")
    run_sql(mysql_server, "SET GLOBAL partial_revokes = ON")
    try:
        with account(mysql_server, "SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*") as credential:
            assert privilege_findings(plan_of(mysql_server, database, credential).findings) == []
            run_sql(mysql_server, f"REVOKE SELECT ON {database}.* FROM '{credential.username}'@'%'")
            findings = privilege_findings(plan_of(mysql_server, database, credential).findings)
            assert ["SELECT" in finding.what or "routines" in finding.what for finding in findings] == [
                True,
                True,
            ]
            for finding in findings:
                run_sql(mysql_server, finding.cure or "")
            assert privilege_findings(plan_of(mysql_server, database, credential).findings) == []
            assert is_whole(dumped(mysql_server, database, credential).stdout, "mysql")
    finally:
        run_sql(mysql_server, "SET GLOBAL partial_revokes = OFF")


def test_objects_of_every_kind_are_counted(mysql_server: ScratchServer, database: str) -> None:
    wanted = COUNTS_MARIADB if mysql_server.flavour == "mariadb" else COUNTS_MYSQL
    assert plan_of(mysql_server, database).object_counts == wanted
    with connected(mysql_server) as connector:
        assert connector.object_counts(database) == wanted


@pytest.mark.parametrize(
    "event",
    [
        "`a` ON SCHEDULE EVERY 1 YEAR DO BEGIN SELECT ';;'; END",
        "`a` ON SCHEDULE EVERY 1 YEAR DO BEGIN /* ;; */ SELECT 1; END",
        "`a` ON SCHEDULE EVERY 1 YEAR COMMENT 'a;;b' DO SELECT 1",
        "`a;;b` ON SCHEDULE EVERY 1 YEAR DO SELECT 1",
    ],
)
@pytest.mark.limitation("mysql-event-delimiters")
def test_an_event_over_which_the_tool_spins_is_a_fault_that_names_it(
    mysql_server: ScratchServer, new_database: NewDatabase, event: str
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, f"DELIMITER //\nCREATE EVENT {event}//", database)
    faults = [f for f in plan_of(mysql_server, database).findings if f.severity is Severity.FAULT]
    assert [fault.object in ("a", "a;;b") for fault in faults] == [True]
    assert "would never end" in faults[0].what


@pytest.mark.limitation("mysql-no-transactions")
def test_tables_that_know_no_transactions_are_locked_and_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE old (a int) ENGINE=MyISAM; INSERT INTO old VALUES (4713)", database)
    run_sql(mysql_server, "CREATE TABLE new (a int); INSERT INTO new VALUES (4714)", database)
    run_sql(mysql_server, "CREATE VIEW v AS SELECT * FROM new", database)
    if mysql_server.flavour == "mariadb":
        run_sql(mysql_server, "CREATE SEQUENCE s; CREATE TABLE aria (a int) ENGINE=Aria", database)
    with account(mysql_server, *least(mysql_server, database)) as credential:
        plan = plan_of(mysql_server, database, credential)
        assert plan.consistency == "locked"
        assert "LOCK TABLES" in " ".join(f.what for f in privilege_findings(plan.findings))
        run_sql(mysql_server, privilege_findings(plan.findings)[0].cure or "")
        plan = plan_of(mysql_server, database, credential)
        (warning,) = plan.findings
        assert warning.severity is Severity.WARNING
        assert "old (MyISAM)" in warning.what
        done = dumped(mysql_server, database, credential)
    assert done.returncode == 0, done.stderr
    assert b"4713" in done.stdout
    assert b"4714" in done.stdout


def test_a_locked_dump_holds_its_lock_while_it_runs(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE old (a int) ENGINE=MyISAM", database)
    run_sql(mysql_server, "SET GLOBAL general_log = ON, GLOBAL log_output = 'TABLE'")
    try:
        assert dumped(mysql_server, database).returncode == 0
        log = run_sql(mysql_server, "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log")
    finally:
        run_sql(mysql_server, "SET GLOBAL general_log = OFF, GLOBAL log_output = 'FILE'")
    assert re.search(r"LOCK TABLES .*`old` READ", log)


def test_transactional_tables_are_dumped_in_one_snapshot(mysql_server: ScratchServer, database: str) -> None:
    assert plan_of(mysql_server, database).consistency == "snapshot"


@pytest.mark.limitation("mysql-rows-elsewhere")
def test_a_table_whose_rows_are_elsewhere_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE a (x int) ENGINE=MyISAM; CREATE TABLE m (x int) ENGINE=MERGE UNION=(a)",
        database,
    )
    said = " ".join(finding.what for finding in plan_of(mysql_server, database).findings)
    assert re.search(r"rows are kept elsewhere: m \(MRG_MyISAM\)", said, re.IGNORECASE)


@pytest.mark.limitation("mysql-history")
def test_history_by_time_is_dumped_and_history_by_transaction_is_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    only_on(mysql_server, "mariadb")
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE h (x int) WITH SYSTEM VERSIONING; INSERT INTO h VALUES (4716); UPDATE h SET x = 1",
        database,
    )
    assert plan_of(mysql_server, database).findings == ()
    done = dumped(mysql_server, database)
    assert b"4716" in done.stdout, done.stderr
    run_sql(
        mysql_server,
        "CREATE TABLE trx (x int, a bigint unsigned GENERATED ALWAYS AS ROW START, b bigint unsigned "
        "GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(a, b)) ENGINE=InnoDB WITH SYSTEM VERSIONING",
        database,
    )
    (fault,) = plan_of(mysql_server, database).findings
    assert fault.severity is Severity.FAULT
    assert "by transaction: trx" in fault.what
    assert dumped(mysql_server, database).returncode != 0


@pytest.mark.limitation("mysql-time-limits")
def test_the_servers_limit_for_queries_does_not_end_a_dump(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    double = "INSERT INTO t SELECT * FROM t;" * 13
    run_sql(
        mysql_server, f"CREATE TABLE t (y text); INSERT INTO t VALUES (REPEAT('x', 1000)); {double}", database
    )
    limit = "max_execution_time" if mysql_server.flavour == "mysql" else "max_statement_time"
    run_sql(mysql_server, f"SET GLOBAL {limit} = {1 if mysql_server.flavour == 'mysql' else 0.001}")
    try:
        done = dumped(mysql_server, database)
    finally:
        run_sql(mysql_server, f"SET GLOBAL {limit} = 0")
    assert done.returncode == 0, done.stderr


@pytest.mark.limitation("mysql-read-only-database")
def test_a_read_only_database_is_told(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mysql")
    database = new_database(mysql_server)
    run_sql(mysql_server, f"ALTER DATABASE {database} READ ONLY = 1")
    try:
        (finding,) = plan_of(mysql_server, database).findings
    finally:
        run_sql(mysql_server, f"ALTER DATABASE {database} READ ONLY = 0")
    assert finding.severity is Severity.WARNING
    assert "READ ONLY" in finding.what


def test_a_database_that_is_not_there_is_no_empty_backup(mysql_server: ScratchServer) -> None:
    with pytest.raises(BackupError, match="no_such_db does not exist"):
        plan_of(mysql_server, "no_such_db")


@pytest.mark.parametrize(
    "name", ["-dash", "--help", "we ird", "back`tick", "new\nline", "q'u\"o", "per%cent_", "ünï"]
)
@pytest.mark.limitation("mysql-names")
def test_every_awkward_name_of_a_database_is_dumped(
    mysql_server: ScratchServer, new_database: NewDatabase, name: str
) -> None:
    database = new_database(mysql_server, name)
    # Not as an argument: the client of MySQL 9 takes `-- -dash` for an option.
    table = "`" + database.replace("`", "``") + "`.t"
    run_sql(mysql_server, f"CREATE TABLE {table} (a int); INSERT INTO {table} VALUES (4715)")
    with account(mysql_server, *least(mysql_server, database)) as it:
        assert privilege_findings(plan_of(mysql_server, database, it).findings) == []
        done = dumped(mysql_server, database, it)
    assert done.returncode == 0, done.stderr
    assert b"4715" in done.stdout


def test_no_secret_is_in_argv_or_environment(mysql_server: ScratchServer, database: str) -> None:
    instance, credential = instance_of(mysql_server), superuser(mysql_server)
    with ENGINE.connect(instance, credential) as connector:
        tool = ENGINE.find_tool(connector.facts, instance)
        with ENGINE.dump_command(
            connector.plan(database), tool, connector.facts, instance, credential
        ) as command:
            everything = " ".join((*command.argv, *command.environment, *command.environment.values()))
            assert mysql_server.password not in everything
            assert command.argv[1].startswith("--defaults-file=/dev/fd/")
            assert command.argv[-2:] == ("--", database)
            assert run_command(command).returncode == 0


def test_what_the_tool_says_of_a_broken_view_is_fatal(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t; DROP TABLE t", database)
    done = dumped(mysql_server, database)
    assert done.returncode != 0
    judge = judge_for(str(mysql_server.binaries.dump))
    assert Verdict.FATAL in [judge(line) for line in done.stderr.decode().splitlines()]


def test_the_servers_own_tool_is_found_by_itself(mariadb: ScratchServer) -> None:
    instance = instance_of(mariadb, dump={})
    with ENGINE.connect(instance, superuser(mariadb)) as connector:
        assert ENGINE.find_tool(connector.facts, instance).flavour == "mariadb"


def test_what_an_account_cannot_see_of_the_instance_is_told(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential, connected(mysql_server, credential) as connector:
        said = " ".join(finding.what for finding in connector.examine_instance())
    assert "invisible" in said
    assert "routines" in said
    with connected(mysql_server) as connector:
        assert connector.examine_instance() == []


def test_the_cures_for_the_instance_mend_it(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential:
        with connected(mysql_server, credential) as connector:
            cures = [finding.cure for finding in connector.examine_instance()]
        for cure in cures:
            run_sql(mysql_server, cure or "")
        with connected(mysql_server, credential) as connector:
            assert connector.examine_instance() == []
            connector.positions()


# ---------------------------------------------------------------------------- allow_partial

PARTIAL = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'row of t');
CREATE TABLE `-x.y'"``z` (id int PRIMARY KEY, p int, v text);
INSERT INTO `-x.y'"``z` VALUES (1, 1, 'secret row');
CREATE TABLE child (p int, FOREIGN KEY (p) REFERENCES `-x.y'"``z` (id));
INSERT INTO child VALUES (1);
CREATE TABLE `columns` (id int, hidden int);
CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1;
CREATE PROCEDURE p() SELECT 1;
CREATE VIEW good AS SELECT t.id FROM t JOIN child;
CREATE VIEW no_show_view AS SELECT 1 AS a;
CREATE VIEW on_ignored AS SELECT t.id FROM t JOIN `-x.y'"``z` x ON x.id = t.id;
CREATE VIEW a_on_view AS SELECT (SELECT MAX(id) FROM on_ignored) AS id FROM t;
CREATE VIEW calls AS SELECT f() AS a FROM t;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 1;
CREATE TRIGGER tx BEFORE INSERT ON `-x.y'"``z` FOR EACH ROW SET @x = 1;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1;
"""
AWKWARD = "-x.y'\"`z"


def partial_plan(server: ScratchServer, database: str, credential: Credential) -> DumpPlan:
    with connected(server, credential, allow_partial=True) as connector:
        return connector.plan(database)


@pytest.mark.parametrize("triggers", [False, True])
def test_what_may_not_be_read_is_left_out_and_named_where_that_is_allowed(
    mysql_server: ScratchServer, new_database: NewDatabase, triggers: bool
) -> None:
    database = new_database(mysql_server, "we.ird")
    run_sql(mysql_server, PARTIAL, database)
    copy = new_database(mysql_server)
    tables = ["t", "child", "good", "on_ignored", "a_on_view", "calls"]
    grants = [f"SELECT, SHOW VIEW ON `{database}`.{name}" for name in tables]
    grants += [f"SELECT ON `{database}`.no_show_view", f"SELECT (id) ON `{database}`.`columns`"]
    grants += [f"INSERT ON `{database}`.`-x.y'\"``z`", f"EXECUTE ON `{database}`.*"]
    if triggers:
        grants += [f"TRIGGER ON `{database}`.t", f"TRIGGER ON `{database}`.`-x.y'\"``z`"]
    with account(mysql_server, *grants) as credential:
        assert dumped(mysql_server, database, credential).returncode != 0
        assert plan_of(mysql_server, database, credential).tool_options == ()
        plan = partial_plan(mysql_server, database, credential)
        done = dumped(mysql_server, database, credential, allow_partial=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert b"row of t" in done.stdout
    assert b"secret row" not in done.stdout
    wanted = {"table": 2, "view": 1} | ({"trigger": 1} if triggers else {})
    assert plan.object_counts == wanted
    left_out = {AWKWARD, "columns", "no_show_view", "on_ignored", "a_on_view", "calls"}
    assert {finding.object for finding in plan.findings} == left_out | {database, "function f", "procedure p"}
    assert not [finding for finding in plan.findings if finding.severity is Severity.FAULT]
    said = " ".join(finding.what for finding in plan.findings)
    assert "EVENT is missing" in said
    assert "TRIGGER is missing" in said
    assert ("--skip-triggers" in plan.tool_options) is not triggers
    assert {"--skip-events", "--skip-routines", f"--ignore-table={database}.{AWKWARD}"} <= set(
        plan.tool_options
    )
    restored(mysql_server, copy, done.stdout)
    with connected(mysql_server) as connector:
        assert connector.object_counts(copy) == wanted


def test_an_account_that_may_read_all_leaves_nothing_out(mysql_server: ScratchServer, database: str) -> None:
    with account(mysql_server, *least(mysql_server, database)) as credential:
        plan = partial_plan(mysql_server, database, credential)
        assert plan == plan_of(mysql_server, database, credential)
    assert plan.tool_options == ()


def test_an_account_that_lacks_only_events_keeps_all_the_rest(
    mysql_server: ScratchServer, database: str
) -> None:
    grants = [grant.replace(", EVENT", "") for grant in least(mysql_server, database)]
    with account(mysql_server, *grants) as credential:
        plan = partial_plan(mysql_server, database, credential)
        done = dumped(mysql_server, database, credential, allow_partial=True)
    assert done.returncode == 0, done.stderr
    assert plan.tool_options == ("--skip-events",)
    whole = COUNTS_MARIADB if mysql_server.flavour == "mariadb" else COUNTS_MYSQL
    assert plan.object_counts == {kind: number for kind, number in whole.items() if kind != "event"}
    assert is_whole(done.stdout + b"CREATE EVENT `e`", mysql_server.flavour)


def test_an_unreadable_sequence_is_left_out(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mariadb")
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE SEQUENCE s; CREATE SEQUENCE kept; CREATE VIEW v AS SELECT 1 a", database)
    grants = (f"INSERT ON {database}.s", f"SELECT ON {database}.kept")
    with account(mysql_server, *grants) as credential:
        plan = partial_plan(mysql_server, database, credential)
        done = dumped(mysql_server, database, credential, allow_partial=True)
    assert done.returncode == 0, done.stderr
    assert plan.object_counts == {"sequence": 1}
    assert b"SEQUENCE `kept`" in done.stdout
    assert b"`s`" not in done.stdout


@pytest.mark.parametrize(("hidden", "kept"), [("t", "T"), ("é", "©")])
def test_a_table_that_the_tool_would_leave_out_with_another_is_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase, hidden: str, kept: str
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, f"CREATE TABLE `{hidden}` (a int); CREATE TABLE `{kept}` (a int)", database)
    with account(
        mysql_server, f"SELECT ON {database}.`{kept}`", f"INSERT ON {database}.`{hidden}`"
    ) as credential:
        plan = partial_plan(mysql_server, database, credential)
        done = dumped(mysql_server, database, credential, allow_partial=True)
    (fault,) = [finding for finding in plan.findings if finding.severity is Severity.FAULT]
    assert f"{hidden} cannot be left out without {kept}" in fault.what
    # If this holds no more, the tool has mended it, and the fault can go.
    assert f"CREATE TABLE `{kept}`".encode() not in done.stdout


def test_names_that_differ_for_the_tool_can_be_left_out_alone(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE `é` (a int); CREATE TABLE e (a int)", database)
    with account(mysql_server, f"SELECT ON {database}.e", f"INSERT ON {database}.`é`") as credential:
        assert partial_plan(mysql_server, database, credential).object_counts == {"table": 1}
        done = dumped(mysql_server, database, credential, allow_partial=True)
    assert b"CREATE TABLE `e`" in done.stdout, done.stderr


def test_routines_of_which_only_some_are_hidden_are_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    grants = [f"{right} ON {database}.*" for right in ("EXECUTE", "SELECT", "SHOW VIEW", "TRIGGER", "EVENT")]
    run_sql(mysql_server, "CREATE PROCEDURE hidden() SELECT 1", database)
    with account(mysql_server, *grants) as credential:
        definer = f"'{credential.username}'@'%'"
        run_sql(mysql_server, f"CREATE DEFINER={definer} PROCEDURE own() SELECT 1", database)
        plan = partial_plan(mysql_server, database, credential)
        assert dumped(mysql_server, database, credential, allow_partial=True).returncode != 0
        run_sql(mysql_server, "DROP PROCEDURE own", database)
    (fault,) = [finding for finding in plan.findings if finding.severity is Severity.FAULT]
    assert "procedure hidden" in fault.what
    assert "own" not in fault.what
    assert "--skip-routines" not in plan.tool_options


def test_an_unreadable_table_without_transactions_locks_nothing(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE old (a int) ENGINE=MyISAM; CREATE TABLE new (a int)", database)
    with account(mysql_server, f"SELECT ON {database}.new", f"INSERT ON {database}.old") as credential:
        assert partial_plan(mysql_server, database, credential).consistency == "snapshot"
        done = dumped(mysql_server, database, credential, allow_partial=True)
    assert done.returncode == 0, done.stderr


def test_a_broken_view_is_not_taken_for_one_that_may_not_be_read(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t; DROP TABLE t", database)
    with account(mysql_server, *least(mysql_server, database)) as credential:
        assert partial_plan(mysql_server, database, credential).tool_options == ()
        assert dumped(mysql_server, database, credential, allow_partial=True).returncode != 0
