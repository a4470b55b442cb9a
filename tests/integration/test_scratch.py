"""Throw-away servers: they answer, they are private, and nothing is left of them."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from scripts.sample.clients import plain_dump, run_sql
from tests.conftest import choose
from tests.waiting import wait_until
from vya_backupdb.errors import ScratchError
from vya_backupdb.scratch import Binaries, ScratchServer, folder, start, template
from vya_backupdb.scratch import server as servers

PARENT = """
import sys
from pathlib import Path
from vya_backupdb.scratch import Binaries, start
flavour, version, server, clients = sys.argv[1:]
with start(Binaries(flavour, version, Path(server), Path(clients))) as made:
    print(made.pid, made.log.parent, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["mysql", "mariadb", "postgresql"])
def binaries(request: pytest.FixtureRequest) -> Binaries:
    return choose(request.param)


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> Binaries:
    """The server that starts quickest, where the flavour makes no difference."""
    return choose("postgresql")


def alive(pid: int) -> bool:
    """Whether the process is there and not just waiting to be reaped."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def run_parent(binaries: Binaries, group: int | None = None) -> tuple[subprocess.Popen[bytes], int, Path]:
    """Start a server from another process (group 0: a new one); give that, the server's pid and folder."""
    words = (binaries.flavour, binaries.version, str(binaries.server), str(binaries.client_folder))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        process_group=group,
    )
    assert parent.stdout is not None
    pid, path = parent.stdout.readline().decode().split()
    return parent, int(pid), Path(path)


def test_the_superuser_logs_in_by_tcp_and_text_comes_through(server: ScratchServer) -> None:
    assert run_sql(server, "SELECT 'ä漢🐘'") == "ä漢🐘\n"


def test_the_superuser_logs_in_by_the_socket(server: ScratchServer) -> None:
    if server.flavour == "postgresql":
        import psycopg

        login = f"host={server.socket} port={server.port} user={server.superuser} dbname=postgres"
        with psycopg.connect(login) as session:
            assert session.execute("SELECT inet_server_addr()").fetchone() == (None,)
    else:
        import pymysql

        link = pymysql.connect(
            unix_socket=str(server.socket), user=server.superuser, password=server.password
        )
        with link, link.cursor() as cursor:
            cursor.execute("SELECT current_user()")
            assert cursor.fetchone() == ("root@localhost",)


def test_a_wrong_password_is_refused_by_tcp(server: ScratchServer) -> None:
    import psycopg
    import pymysql

    with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
        if server.flavour == "postgresql":
            psycopg.connect(host=server.host, port=server.port, user=server.superuser, password="wrong")
        else:
            pymysql.connect(host=server.host, port=server.port, user=server.superuser, password="wrong")


def test_no_password_is_in_any_command_line(server: ScratchServer) -> None:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            assert server.password.encode() not in path.read_bytes()


def test_a_database_is_dumped_by_the_servers_own_tool(server: ScratchServer, database: str) -> None:
    run_sql(server, "CREATE TABLE t (a int primary key); INSERT INTO t VALUES (4711)", database)
    assert b"4711" in plain_dump(server, database)


def test_nobody_else_may_enter_the_folder(server: ScratchServer) -> None:
    path = server.log.parent
    assert path.stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert pwd.getpwuid(path.stat().st_uid).pw_name in {"mysql", "postgres"}


def test_settings_reach_the_server(binaries: Binaries) -> None:
    if binaries.flavour == "postgresql":
        with start(binaries, settings={"work_mem": "5MB"}) as server:
            assert run_sql(server, "SHOW work_mem") == "5MB\n"
    else:
        with start(binaries, settings={"max_allowed_packet": 2 << 20}) as server:
            assert run_sql(server, "SELECT @@global.max_allowed_packet") == "2097152\n"


def test_two_servers_are_strangers(mysql: ScratchServer, mysql_target: ScratchServer) -> None:
    assert mysql.port != mysql_target.port
    assert mysql.password != mysql_target.password
    assert run_sql(mysql, "SELECT @@server_uuid") != run_sql(mysql_target, "SELECT @@server_uuid")


def test_a_setting_that_the_server_refuses_is_told_with_its_log(binaries: Binaries) -> None:
    settings = {"no_such_setting": "1"}
    with pytest.raises(ScratchError, match=r"no.such.setting"), start(binaries, settings=settings):
        pytest.fail("it started")


def test_a_server_that_its_user_cannot_run_is_told(quick: Binaries, tmp_path: Path) -> None:
    copy = tmp_path / "postgres"
    copy.write_text("#!/nonexistent/interpreter\n")
    copy.chmod(0o755)
    (tmp_path / "initdb").symlink_to(quick.server.parent / "initdb")
    broken = Binaries("postgresql", quick.version, copy, quick.client_folder)
    with pytest.raises(ScratchError, match=r"postgres|initdb"), start(broken):
        pytest.fail("it started")


def test_nothing_is_left_after_an_exception(binaries: Binaries) -> None:
    with pytest.raises(ZeroDivisionError), start(binaries) as server:
        raise ZeroDivisionError
    assert not alive(server.pid)
    assert not server.log.parent.exists()


def test_nothing_is_left_after_the_server_was_killed(binaries: Binaries) -> None:
    with start(binaries) as server:
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(server.pid))
    assert not server.log.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal_to_the_whole_group(quick: Binaries, number: signal.Signals) -> None:
    process, pid, path = run_parent(quick, group=0)
    with process:
        os.killpg(process.pid, number)
        assert wait_until(lambda: not alive(pid))
        assert wait_until(lambda: not path.exists())


def test_nothing_is_left_after_this_process_was_killed(binaries: Binaries) -> None:
    process, pid, path = run_parent(binaries)
    with process:
        process.kill()
        assert wait_until(lambda: not alive(pid))
        assert wait_until(lambda: not path.exists())


def test_nothing_is_left_when_this_process_is_killed_while_it_prepares_a_server(quick: Binaries) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from vya_backupdb.scratch import Binaries, server, start
server._launch = lambda kind, site, *_: (print(site.folder, flush=True), os.kill(os.getpid(), signal.SIGKILL))
flavour, version, program, clients = sys.argv[1:]
with start(Binaries(flavour, version, Path(program), Path(clients))): pass
"""
    process = subprocess.run(
        [sys.executable, "-c", script, quick.flavour, quick.version, quick.server, quick.client_folder],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == -signal.SIGKILL
    assert wait_until(lambda: not Path(process.stdout.decode().strip()).exists())


def test_the_server_ends_when_its_supervisor_is_killed_and_the_next_start_cleans_up(
    binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_YOUNG", 0.0)
    process, pid, path = run_parent(binaries)
    with process:
        os.kill(parent_of(pid), signal.SIGKILL)
        assert wait_until(lambda: not alive(pid))
        assert path.exists()
        with start(binaries):
            assert not path.exists()
        process.kill()


def test_cleaning_up_spares_what_is_in_use_young_or_not_ours(
    quick: Binaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    young = tmp_path / f"{folder.PREFIX}young"
    young.mkdir()
    (young / folder.LOCK).touch()
    link = tmp_path / f"{folder.PREFIX}link"
    link.symlink_to(Path.home())
    other = tmp_path / "something-else"
    other.mkdir()
    assert folder.remove_leftovers(tmp_path) == []
    monkeypatch.setattr(folder, "_YOUNG", 0.0)
    with start(quick) as server:
        folder.remove_leftovers(server.log.parent.parent)
        assert run_sql(server, "SELECT 1") == "1\n"
    assert folder.remove_leftovers(tmp_path) == [young]
    assert sorted(tmp_path.iterdir()) == [other, link]


def test_a_private_folder_goes_with_its_block() -> None:
    with folder.private_folder() as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "file").touch()
    assert not path.exists()


def test_another_port_is_taken_where_one_is_in_use(
    binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        free = servers._free_port
        monkeypatch.setattr(servers, "_free_port", lambda: next(ports, None) or free())
        with start(binaries) as server:
            assert server.port != taken.getsockname()[1]


def test_first_starts_at_the_same_time_share_one_template(
    quick: Binaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(template, "cache_folder", lambda: tmp_path)
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        for server in pool.map(lambda _: stack.enter_context(start(quick)), range(3)):
            assert run_sql(server, "SELECT 1") == "1\n"
    assert len([path for path in (tmp_path / "scratch").iterdir() if path.is_dir()]) == 1


def test_a_cache_that_cannot_be_written_is_done_without(
    quick: Binaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(template, "cache_folder", lambda: tmp_path / "file")
    with start(quick) as server:
        assert run_sql(server, "SELECT 1") == "1\n"
