"""`backup` with hooks and notices, of a server that is not there: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.loopback import hang, listening, trickle
from tests.unit.made_backups import configured, new_store, put
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.main import main
from vya_backupdb.credentials.keys import KeySource, write_key
from vya_backupdb.credentials.vault import Credential, save_vault
from vya_backupdb.operations.notices import channels

Configure = Callable[..., Path]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


@pytest.fixture
def configure(tmp_path: Path, store: Store) -> Configure:
    """`configure(hooks=..., notify=...)` writes a configuration whose server refuses connections."""
    write_key(tmp_path / "key")
    login = {"main": Credential("backup", None)}
    save_vault(tmp_path / "c.json", login, KeySource("file", str(tmp_path / "key")))
    script = tmp_path / "keep"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/$1.json\nexit ${{2:-0}}\n")
    script.chmod(0o755)

    def write(**sections: Any) -> Path:
        credentials = {"file": "c.json", "key": {"file": "key"}}
        document = configured(store, {"host": "127.0.0.1", "port": 1}, credentials=credentials, **sections)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(document))
        path.chmod(0o600)
        return path

    return write


def backed_up(config: Path, *words: str) -> int:
    return main(["--config", str(config), "backup", "--all", *words])


def test_hooks_get_what_the_command_prints(
    configure: Configure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(hooks={"after": ["./keep after"], "on_failure": ["./keep on_failure"]})
    assert backed_up(config, "--format", "json") == 12
    printed = json.loads(capsys.readouterr().out)
    got = json.loads((tmp_path / "on_failure.json").read_text())
    assert (got.pop("event"), got.pop("host"), got.pop("instances")) == ("on_failure", "here", ["main"])
    assert (got.pop("ok"), got.pop("error")) == (False, None)
    assert printed.pop("warnings") == []
    assert got == printed
    assert got["backups"][0]["instance"] == "main"
    assert (tmp_path / "after.json").exists()


def test_a_before_hook_that_fails_is_a_failed_attempt_at_every_instance(
    configure: Configure, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(
        hooks={"before": ["./keep before 9"], "on_failure": ["./keep on_failure"]},
        instances=[{"id": name, "engine": "mysql", "host": "127.0.0.1"} for name in ("main", "other")],
    )
    assert backed_up(config, "--format", "json") == 20
    out, err = capsys.readouterr()
    backups = json.loads(out)["backups"]
    assert [each["instance"] for each in backups] == ["main", "other"]
    assert all("hooks.before[0]" in each["error"] for each in backups)
    assert err.count("vya-backupdb: hooks.before[0]") == 1
    (entry,) = journal.entries(store.instance_folder("main"))
    assert (entry["event"], entry["database"]) == ("backup failed", None)
    assert "exit status 9" in entry["error"]
    assert json.loads((tmp_path / "on_failure.json").read_text())["backups"] == backups


def test_other_hooks_that_fail_are_printed_and_change_no_status(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(hooks={"after": ["./keep after 9"], "on_failure": ["/no/where"]})
    assert backed_up(config, "--format", "json") == 12
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert [text.partition(":")[0] for text in warnings] == ["hooks.after[0]", "hooks.on_failure[0]"]
    assert backed_up(config) == 12
    assert "hooks.on_failure[0]: /no/where cannot be started" in capsys.readouterr().out


def test_credentials_that_cannot_be_read_are_told(configure: Configure, tmp_path: Path) -> None:
    config = configure(hooks={"on_failure": ["./keep on_failure"]})
    (tmp_path / "key").unlink()
    assert backed_up(config) == 13
    got = json.loads((tmp_path / "on_failure.json").read_text())
    assert "key" in got["error"]
    assert got["backups"] == []


def test_a_dry_run_runs_no_hook_and_tells_nobody(configure: Configure, tmp_path: Path) -> None:
    with listening() as listener:
        config = configure(
            hooks={"before": ["./keep before"], "on_failure": ["./keep on_failure"]},
            notify={"ping": listener.url},
        )
        assert backed_up(config, "--dry-run") == 12
    assert listener.paths == []
    assert not list(tmp_path.glob("*before.json"))


def test_only_runs_of_all_databases_ping(configure: Configure) -> None:
    with listening() as listener:
        config = configure(notify={"ping": listener.url + "/x"})
        argv = ["--config", str(config), "backup", "--instance", "main", "--database", "shop"]
        assert main(argv) == 12
        assert listener.paths == []
        assert backed_up(config) == 12
    assert listener.paths == ["/x/start", "/x/fail"]


def test_a_process_ends_though_those_who_are_told_never_answer(configure: Configure) -> None:
    script = (
        "import sys; from vya_backupdb.operations.notices import tell; tell._LONGEST = 1.0; "
        "from vya_backupdb.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    with listening(trickle) as slow, listening(hang) as silent:
        urls = [url.replace("http", "json") for url in (slow.url, silent.url)]
        config = configure(notify={"urls": urls, "ping": slow.url})
        done = subprocess.run(
            (sys.executable, "-c", script, "--config", str(config), "backup", "--all"),
            capture_output=True, text=True, timeout=90,
        )  # fmt: skip
    assert done.returncode == 12, done.stderr
    assert done.stdout.count("no answer within 1 s") == 4


def test_a_signal_ends_a_run_after_its_hooks(configure: Configure, tmp_path: Path) -> None:
    config = configure(
        hooks={
            "before": [["/bin/sh", "-c", f": > {tmp_path}/begun; sleep 300"]],
            "after": ["./keep after"],
            "on_failure": ["./keep on_failure"],
        }
    )
    argv = (sys.executable, "-m", "vya_backupdb", "--config", str(config), "backup", "--all")
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    for _ in range(3000):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    assert "ended by SIGTERM" in process.communicate(timeout=90)[1]
    assert process.returncode == 143
    assert json.loads((tmp_path / "after.json").read_text())["error"] == "interrupted by a signal"
    assert json.loads((tmp_path / "on_failure.json").read_text())["ok"] is False


def test_a_backup_that_verify_cannot_read_is_told(configure: Configure, store: Store) -> None:
    put(store).write_text("{")
    with listening() as listener:
        url = listener.url.replace("http", "json")
        config = configure(notify={"urls": [url]}, retention={"daily": 1})
        assert main(["--config", str(config), "verify", "--all"]) == 22
        assert main(["--config", str(config), "verify", "--instance", "main", "--database", "shop"]) != 0
    (told,) = [json.loads(request.body) for request in listener.requests]
    assert told["title"] == "here: verify FAILED: 1 of 1"
    assert ".json" in told["message"]


def test_validate_says_what_is_missing_for_notices(
    configure: Configure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(notify={"urls": ["json://127.0.0.1/x", "hunter2://x"]}, hooks={"after": ["/no/where"]})
    validate = ["--config", str(config), "config", "validate"]
    assert main(validate) == 0
    out = capsys.readouterr().out
    assert "note: notify.urls[1]: apprise does not understand the address (" in out
    assert "note: hooks.after[0]: /no/where: not there, or not executable\n" in out
    assert "notify.urls[0]" not in out
    assert "hunter2" not in out
    assert "may change it" not in out
    config.chmod(0o660)
    monkeypatch.setattr(channels, "is_installed", lambda: False)
    assert main(validate) == 0
    out = capsys.readouterr().out
    assert "note: notify.urls: apprise is not installed: pip install 'vya-backupdb[notify]'\n" in out
    assert f"note: {config}: `hooks` names what is run, and others may change it: chmod 600 {config}\n" in out
    assert f"note: {config}: `notify` holds secrets, and others may read it: chmod 600 {config}\n" in out


def test_show_hides_where_notices_go(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    config = configure(notify={"urls": ["mailto://u:hunter2@h"], "ping": "https://hunter2/hunter2"})
    for form in ("yaml", "json"):
        assert main(["--config", str(config), "config", "show", "--format", form]) == 0
        out = capsys.readouterr().out
        assert "hunter2" not in out
        assert "**********" in out
