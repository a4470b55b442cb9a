from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.dump.stderr import judge_for
from vya_backupdb.model import Verdict


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("mysqldump: Got error: 1045: Access denied for user 'x'@'y' when trying to connect", Verdict.FATAL),
        ("mariadb-dump: Couldn't execute 'show create table `v`': View ... (1356)", Verdict.FATAL),
        ("/usr/bin/mariadb-dump: unknown option '--nonsense'", Verdict.FATAL),
        ("mysqldump: [ERROR] unknown option '--nonsense'.", Verdict.FATAL),
        ("mysqldump: Error: 'SELECT command denied' when trying to dump masking policies", Verdict.FATAL),
        (
            "Error: 'Access denied; you need the PROCESS privilege' when trying to dump tablespaces",
            Verdict.FATAL,
        ),
        ("-- Error: Couldn't read status information for table t ()", Verdict.FATAL),
        ("mysqldump: error while loading shared libraries: libz.so", Verdict.FATAL),
        ("mysqldump: lp has insufficient privileges to SHOW CREATE PROCEDURE `p`!", Verdict.FATAL),
        ("/opt/my tools/dumper: anything", Verdict.FATAL),
        ("dumper: anything", Verdict.FATAL),
        ("-- Warning: column statistics not supported by the server.", Verdict.WARNING),
        ("Warning: A partial dump from a server that has GTIDs", Verdict.WARNING),
        (
            "mysqldump: [Warning] Using a password on the command line interface can be insecure.",
            Verdict.WARNING,
        ),
        ("something unheard of", Verdict.WARNING),
        ("mysqldump: [Warning] unknown option '--loose-skip-masking-policies'.", Verdict.BENIGN),
        (
            "/usr/bin/mysqldump: Deprecated program name. It will be removed in a future release, "
            "use '/usr/bin/mariadb-dump' instead",
            Verdict.BENIGN,
        ),
        ("", Verdict.BENIGN),
    ],
)
def test_lines_of_the_tools_are_judged(line: str, verdict: Verdict) -> None:
    assert judge_for("/opt/my tools/dumper")(line) is verdict
