"""Who is told how a run went: servers on the loopback interface that answer, misbehave or are not there."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from tests.loopback import Listener, hang, listening, status, trickle
from vya_backupdb.cli.render import document_text
from vya_backupdb.config.models import Config
from vya_backupdb.errors import BackupError, CredentialsError, DamagedArchive, StorageError
from vya_backupdb.operations.notices import channels, run, tell
from vya_backupdb.operations.notices import ping as pinging
from vya_backupdb.operations.notices.ping import ping
from vya_backupdb.operations.notices.report import Report, Told
from vya_backupdb.operations.notices.run import Surrounded, surrounded
from vya_backupdb.operations.notices.send import NotSent, send_all
from vya_backupdb.operations.notices.text import Notice, notice

TOKEN = "s3cr3t-0f-the-m0nitor"
FAILED = Report({}, failures=[Told("main/shop", "the disk is full", "free space")])
WARNED = Report({}, warnings=[Told("main/shop", "12 rows of FLOAT", "see the limitations")], done=3)
GOOD = Report({}, done=3)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as running:
        yield running


@pytest.fixture
def absent() -> str:
    """The address of a server that is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def address(url: str, rest: str = f"/ping/{TOKEN}") -> SecretStr:
    return SecretStr(url + rest)


# ---------------------------------------------------------------------------- the monitor


def test_a_monitor_hears_the_begin_success_and_failure(listener: Listener) -> None:
    for signal in ("start", "success", "fail"):
        ping(address(listener.url), signal)
    ping(address(listener.url, f"/{TOKEN}/?create=1"), "fail")
    ping(address(listener.url, f"/{TOKEN}/?create=1"), "success")
    path = f"/ping/{TOKEN}"
    assert listener.paths == [
        *(f"{path}/start", path, f"{path}/fail"),
        *(f"/{TOKEN}/fail?create=1", f"/{TOKEN}/?create=1"),
    ]
    assert {request.method for request in listener.requests} == {"GET"}


@pytest.mark.parametrize(("code", "tries"), [(500, 2), (503, 2), (404, 1)])
def test_a_monitor_that_refuses_is_told_without_its_address(code: int, tries: int) -> None:
    with listening(status(code)) as listener, pytest.raises(NotSent) as caught:
        ping(address(listener.url), "success")
    assert str(caught.value) == f"http://127.0.0.1: HTTP status {code}"
    assert len(listener.requests) == tries


def test_a_monitor_that_is_not_there_is_told_without_its_address(absent: str) -> None:
    with pytest.raises(NotSent) as caught:
        ping(address(absent), "success")
    assert str(caught.value) == "http://127.0.0.1: Connection refused"


def test_a_monitor_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "_TIMEOUT", 0.2)
    with listening(hang) as listener, pytest.raises(NotSent, match="timed out"):
        ping(address(listener.url), "success")


def test_a_redirect_to_the_same_scheme_is_followed(listener: Listener) -> None:
    with listening(status(302, listener.url + "/elsewhere")) as first:
        ping(address(first.url), "success")
    assert listener.paths == ["/elsewhere"]


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(place: str) -> None:
    with listening(status(302, place)) as first, pytest.raises(NotSent) as caught:
        ping(address(first.url), "success")
    assert TOKEN not in str(caught.value)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    import urllib.error
    import urllib.request

    request = urllib.request.Request("https://127.0.0.1/")
    handler = pinging._Redirects()
    arguments: Any = (request, None, 302, "", {})
    with pytest.raises(urllib.error.URLError, match="another kind"):
        handler.redirect_request(*arguments, "http://127.0.0.1/")
    assert handler.redirect_request(*arguments, "https://127.0.0.1/x") is not None


# ---------------------------------------------------------------------------- several at once


def test_whoever_is_late_or_fails_is_named_and_holds_nobody_up() -> None:
    done = []

    def broken() -> None:
        raise RuntimeError(TOKEN)

    with listening(trickle) as slow:
        began = time.monotonic()
        failed = send_all(
            {
                "slow": lambda: ping(address(slow.url), "success"),
                "broken": broken,
                "good": lambda: done.append(True),
            },
            1.0,
        )
        assert time.monotonic() - began < 30
    assert failed == {"slow": "no answer within 1 s", "broken": "unexpected fault: RuntimeError"}
    assert done == [True]


# ---------------------------------------------------------------------------- what apprise sends


def hook_of(url: str) -> SecretStr:
    return SecretStr(url.replace("http://", "json://") + f"/hook/{TOKEN}")


NOTICE = Notice("db1: backup FAILED", "main/shop: full\n    free space", is_failure=True)


def test_a_notice_arrives(listener: Listener) -> None:
    channels.send(hook_of(listener.url), NOTICE)
    (request,) = listener.requests
    assert request.path == f"/hook/{TOKEN}"
    told = json.loads(request.body)
    assert (told["title"], told["message"], told["type"]) == (NOTICE.subject, NOTICE.body, "failure")


def test_a_service_that_refuses_is_told_with_its_reason(absent: str) -> None:
    with listening(status(500)) as listener, pytest.raises(NotSent, match="error=500"):
        channels.send(hook_of(listener.url), NOTICE)
    with pytest.raises(NotSent, match=r"onnection error .* to \*+\."):  # whose host is part of the address
        channels.send(hook_of(absent), NOTICE)
    with pytest.raises(NotSent, match="does not understand"):
        channels.send(SecretStr(f"nothing://127.0.0.1/{TOKEN}"), NOTICE)


def test_no_part_of_an_address_is_told() -> None:
    plain = f"mailto://somebody:hunt%40er2@mail.example.net/{TOKEN}?from=me"
    said = f"mail.Example.net refused somebody, hunt%40er2, hunt@er2 and er2, h...2\n{TOKEN.upper()}"
    text = channels.without(plain, said)
    assert (
        text == "********** refused **********, **********, **********@er2 and er2, **********\\n**********"
    )


def test_the_library_is_not_imported_before_there_is_something_to_send() -> None:
    import subprocess

    script = (
        "import sys, vya_backupdb.cli.backup, vya_backupdb.operations.notices.channels as channels; "
        "print(channels.is_installed(), 'apprise' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


# ---------------------------------------------------------------------------- the words


def test_a_notice_names_the_database_the_figure_and_what_to_do() -> None:
    made = notice("db1", "backup of main", FAILED)
    assert made is not None
    assert made.subject == "db1: backup of main FAILED: 1 of 1 (main/shop)"
    assert "FAILED: main/shop: the disk is full\n    free space\n" in made.body
    assert made.is_failure
    warned = notice("db1", "backup of main", WARNED)
    assert warned is not None
    assert warned.subject == "db1: backup of main done, with 1 warning"
    assert "warning: main/shop: 12 rows of FLOAT\n    see the limitations\n" in warned.body
    assert not warned.is_failure


@pytest.mark.parametrize(("where", "what"), [("main", "main: no"), ("main/shop", "shop: no"), ("main", "no")])
def test_a_name_is_told_once(where: str, what: str) -> None:
    made = notice("db1", "backup of main", Report({}, failures=[Told(where, what)]))
    assert made is not None
    assert made.body.startswith(f"FAILED: {where}: no\n")


def test_all_well_is_no_news_and_what_ended_a_run_is_some() -> None:
    assert notice("db1", "backup of main", GOOD) is None
    ended = notice("db1", "backup of main", GOOD, Told("", "interrupted by a signal", "begin anew"))
    assert ended is not None
    assert ended.subject == "db1: backup of main FAILED: interrupted by a signal"
    assert ended.body.startswith("FAILED: interrupted by a signal\n    begin anew\n")


def test_a_notice_is_bounded_harmless_and_holds_no_secret() -> None:
    many = [Told(f"main/d{n}", "password=hunter2 \x1b[31m\r\nSubject: x") for n in range(1000)]
    made = notice("db1", "backup of main\r\nBcc: x", Report({}, failures=many))
    assert made is not None
    assert "\r" not in made.subject + made.body
    assert "\n" not in made.subject
    assert "\x1b" not in made.body
    assert "hunter2" not in made.body
    assert "and 970 more" in made.body
    assert len(made.body.splitlines()) < 40


# ---------------------------------------------------------------------------- around a run

Around = Callable[..., Surrounded]


@pytest.fixture
def around(tmp_path: Path) -> Around:
    """`around(report, hooks=..., notify=...)`: a run of the instance `main`; hooks may call `./keep`."""
    script = tmp_path / "keep"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/$1.json\necho $1 >> {tmp_path}/order\nexit ${{2:-0}}\n")
    script.chmod(0o755)

    def make(report: Report = GOOD, *, pings: bool = True, **sections: Any) -> Surrounded:
        document = {"instances": [{"id": "main", "engine": "mysql", "host": "db"}], **sections}
        document["storage"] = {"hostname": "db1"}
        config = Config.model_validate(document, context={"folder": tmp_path})
        return Surrounded(config, ("main",), lambda: report, document_text, pings)

    return make


HOOKS = {"before": ["./keep before"], "after": ["./keep after"], "on_failure": [["./keep", "on_failure"]]}


def order(folder: Path) -> list[str]:
    return (folder / "order").read_text().split()


def kept(folder: Path, event: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"{event}.json").read_text()))


def test_a_good_run_has_its_hooks_and_a_ping_and_is_no_news(
    around: Around, listener: Listener, tmp_path: Path
) -> None:
    urls = [hook_of(listener.url).get_secret_value()]
    made = around(Report({"backups": [1]}), hooks=HOOKS, notify={"urls": urls, "ping": listener.url + "/x"})
    with surrounded(made):
        assert order(tmp_path) == ["before"]
    assert order(tmp_path) == ["before", "after"]
    assert listener.paths == ["/x/start", "/x"]
    assert kept(tmp_path, "after") == {
        "schema_version": 1, "event": "after", "host": "db1", "instances": ["main"],
        "ok": True, "error": None, "backups": [1],
    }  # fmt: skip
    assert kept(tmp_path, "before")["ok"] is None
    assert made.warnings == []


def test_a_failed_run_is_told_to_all(around: Around, listener: Listener, tmp_path: Path) -> None:
    urls = [hook_of(listener.url).get_secret_value()]
    with surrounded(around(FAILED, hooks=HOOKS, notify={"urls": urls, "ping": listener.url + "/x"})):
        pass
    assert order(tmp_path) == ["before", "after", "on_failure"]
    assert kept(tmp_path, "on_failure")["ok"] is False
    assert set(listener.paths) == {"/x/start", "/x/fail", f"/hook/{TOKEN}"}


def test_warnings_are_news_but_no_failure(around: Around, listener: Listener, tmp_path: Path) -> None:
    urls = [hook_of(listener.url).get_secret_value()]
    with surrounded(around(WARNED, hooks=HOOKS, notify={"urls": urls, "ping": listener.url + "/x"})):
        pass
    assert order(tmp_path) == ["before", "after"]
    assert set(listener.paths) == {"/x/start", "/x", f"/hook/{TOKEN}"}


def test_a_before_hook_that_fails_refuses_the_run(around: Around, tmp_path: Path) -> None:
    made = around(hooks={"before": ["./keep one 3", "./keep two"], "after": ["./keep after"]})
    with surrounded(made):
        assert made.refused is not None
        assert made.refused.exit_code == 20
        assert "hooks.before[0]" in made.refused.what
    assert order(tmp_path) == ["one", "after"]
    assert made.warnings == []


def test_other_hooks_that_fail_are_warnings_and_do_not_stop_each_other(
    around: Around, tmp_path: Path
) -> None:
    hooks = {"after": ["./keep one 3", "./keep two"], "on_failure": ["./keep three 4", "./keep four"]}
    made = around(FAILED, hooks=hooks)
    with surrounded(made):
        pass
    assert order(tmp_path) == ["one", "two", "three", "four"]
    assert [found.what.partition(":")[0] for found in made.warnings] == [
        "hooks.after[0]",
        "hooks.on_failure[0]",
    ]


def test_hooks_that_fail_are_told_in_a_notice(around: Around, listener: Listener) -> None:
    urls = [hook_of(listener.url).get_secret_value()]
    with surrounded(around(hooks={"after": ["./keep one 3"]}, notify={"urls": urls})):
        pass
    assert "hooks.after[0]" in json.loads(listener.requests[0].body)["message"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (CredentialsError("the key does not fit"), "the key does not fit"),
        (KeyError("x"), "unexpected fault: KeyError: 'x'"),
        (KeyboardInterrupt(), "interrupted by a signal"),
        (SystemExit(3), "interrupted by a signal"),
    ],
)
def test_a_run_that_is_ended_before_its_time_is_a_failure(
    around: Around, listener: Listener, tmp_path: Path, fault: BaseException, said: str
) -> None:
    made = around(hooks=HOOKS, notify={"ping": listener.url + "/x"})
    with pytest.raises(type(fault)), surrounded(made):
        raise fault
    assert order(tmp_path) == ["before", "after", "on_failure"]
    assert kept(tmp_path, "on_failure")["error"] == said
    assert listener.paths == ["/x/start", "/x/fail"]


def test_an_interrupted_run_waits_for_its_hooks_a_moment_only(
    around: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_HURRY", 0.5)
    made = around(hooks={"after": ["sleep 300", "sleep 300"], "timeout": "10m"})
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), surrounded(made):
        raise KeyboardInterrupt
    assert time.monotonic() - began < 60
    assert len(made.warnings) == 2


def test_a_run_that_the_monitor_does_not_wait_for_is_not_told_to_it(
    around: Around, listener: Listener
) -> None:
    with surrounded(around(FAILED, pings=False, notify={"ping": listener.url})):
        pass
    assert listener.paths == []


def test_nobody_who_cannot_be_told_is_more_than_a_warning(
    around: Around, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tell, "_LONGEST", 2.0)
    monkeypatch.setattr(pinging, "_TIMEOUT", 0.3)
    with listening(hang) as hanging, listening(trickle) as slow, listening(status(500)) as broken:
        urls = [hook_of(url).get_secret_value() for url in (absent, slow.url, broken.url)]
        made = around(FAILED, notify={"urls": urls, "ping": f"{hanging.url}/{TOKEN}"})
        began = time.monotonic()
        with structlog.testing.capture_logs() as events, surrounded(made):
            pass
        assert time.monotonic() - began < 60
    assert [found.what.partition(": ")[0] for found in made.warnings] == [
        "notify.ping",
        "notify.ping",
        *(f"notify.urls[{n}]" for n in range(3)),
    ]
    assert TOKEN not in str(made.warnings) + str(events)


def test_a_library_that_is_missing_is_told_in_every_run(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "is_installed", lambda: False)
    made = around(notify={"urls": ["json://127.0.0.1:1/x"]})
    with surrounded(made):
        pass
    (found,) = made.warnings
    assert found.what == "notify.urls: apprise is not installed"
    assert found.cure == "pip install 'vya-backupdb[notify]'"


# ---------------------------------------------------------------------------- other commands


def messages(listener: Listener) -> list[str]:
    told = [json.loads(request.body) for request in listener.requests]
    return [f"{each['title']}\n{each['message']}" for each in told]


def test_what_fails_in_another_command_is_told(around: Around, listener: Listener) -> None:
    config = around(notify={"urls": [hook_of(listener.url).get_secret_value()]}).config
    with tell.failures_told(config, "verify") as errors:
        errors += [None, DamagedArchive("f.sql.zst: frame 3 is damaged", cure="keep another"), None]
    with pytest.raises(StorageError), tell.failures_told(config, "prune"):
        raise StorageError("/store: not there")
    one, other = messages(listener)
    assert one.startswith(
        "db1: verify FAILED: 1 of 3\nFAILED: f.sql.zst: frame 3 is damaged\n    keep another\n"
    )
    assert other.startswith("db1: prune FAILED: /store: not there\n")


def test_what_is_not_to_be_told_is_not(around: Around, listener: Listener) -> None:
    config = around(notify={"urls": [hook_of(listener.url).get_secret_value()], "ping": listener.url}).config
    with tell.failures_told(config, "verify") as errors:
        errors.append(None)
    with tell.failures_told(config, "drill", wanted=False) as errors:
        errors.append(StorageError("no"))
    with pytest.raises(KeyboardInterrupt), tell.failures_told(config, "prune"):
        raise KeyboardInterrupt
    assert listener.paths == []


def test_an_error_is_told_with_what_to_do() -> None:
    assert Told.of("main", BackupError("no", cure="do")) == Told("main", "no", "do")
