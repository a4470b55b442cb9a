from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from vya_backupdb.config.document import read_document
from vya_backupdb.config.load import _models_in, find_config, load_config
from vya_backupdb.config.models import Config
from vya_backupdb.config.quantities import Size
from vya_backupdb.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "etc" / "config.example.yaml"
INSTANCE = "instances:\n  - id: shop\n    engine: mysql\n    host: db1\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def faults(path: Path) -> list[str]:
    """Give the faults of a file without its name, sorted as they are shown."""
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    lines = caught.value.what.splitlines()
    if len(lines) > 1:
        assert lines.pop(0) == f"{path}: {len(lines)} faults"
    return [line.removeprefix(f"{path}:") for line in lines]


# ---------------------------------------------------------------------------- what is read


def test_the_smallest_configuration_has_every_default(write: Write, tmp_path: Path) -> None:
    config = load_config(write(INSTANCE))
    instance = config.instance("shop")
    assert (instance.engine, instance.host, instance.port, instance.socket) == ("mysql", "db1", None, None)
    assert instance.dump.stall_timeout == timedelta(minutes=5)
    assert config.storage.path == Path("/var/backups/vya-backupdb")
    assert config.storage.min_free == Size(percent=10)
    assert (config.compression.codec, config.compression.level) == ("zstd", None)
    assert config.credentials.file == tmp_path / ".secrets" / "credentials.json"


def test_mariadb_is_an_alias_of_mysql(write: Write) -> None:
    assert load_config(write(INSTANCE.replace("mysql", "mariadb"))).instance("shop").engine == "mysql"


def test_relative_paths_are_relative_to_the_folder_of_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(INSTANCE + "storage: {path: backups}\ncredentials: {key: {file: ../key}}\n")
    monkeypatch.chdir("/")
    config = load_config(path)
    assert config.storage.path == tmp_path / "backups"
    assert config.credentials.key.file == tmp_path / ".." / "key"


def test_a_relative_name_of_the_file_itself_makes_absolute_paths(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(INSTANCE + "storage: {path: backups}\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("config.yaml")).storage.path == tmp_path / "backups"


def test_a_tilde_is_the_home_folder(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load_config(write(INSTANCE + "storage: {path: ~/b}\n")).storage.path == Path("/home/somebody/b")


def test_an_empty_section_is_one_with_its_defaults(write: Write) -> None:
    config = load_config(write(INSTANCE + "    dump:\n    tls:\nstorage:\n  # path: /elsewhere\nlogging:\n"))
    assert config.storage.path == Path("/var/backups/vya-backupdb")
    assert config.instance("shop").tls is None


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + INSTANCE.encode())
    assert load_config(path).instance("shop").host == "db1"


def test_the_hostname_is_that_of_the_machine_unless_it_is_given(write: Write) -> None:
    assert (
        load_config(write(INSTANCE + "storage: {hostname: null}\n")).storage.hostname == os.uname().nodename
    )
    assert load_config(write(INSTANCE + "storage: {hostname: other}\n")).storage.hostname == "other"


def test_min_free_is_a_share_of_the_file_system_that_the_store_will_lie_on(
    write: Write, tmp_path: Path
) -> None:
    config = load_config(write(INSTANCE + "storage: {path: not/yet/there, min_free: 50%}\n"))
    total = os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert config.storage.reserve() == pytest.approx(total / 2, rel=0.01)


def test_what_is_shown_can_be_read_again(write: Write, tmp_path: Path) -> None:
    config = load_config(EXAMPLE)
    import yaml

    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    assert load_config(again) == config


# ---------------------------------------------------------------------------- faults


def test_every_fault_is_named_at_once_with_line_and_path(write: Write) -> None:
    path = write(
        "instances:\n"
        "  - id: shop\n"
        "    engine: oracle\n"
        "    host: db1\n"
        "    jobs: 0\n"
        "    dump:\n"
        "      stall_timeout: soon\n"
        "storage:\n"
        "  min_free: lots\n"
    )
    assert faults(path) == [
        "3: instances[0].engine: must be mysql, mariadb or postgresql",
        "5: instances[0].jobs: must be greater than or equal to 1",
        "7: instances[0].dump.stall_timeout: "
        "not a duration: write a number with a unit, as 30s, 5m, 1h30m or 2d",
        "9: storage.min_free: not a size: write bytes, a number with a unit (500MB, 2GiB), or a share (10%)",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("    dump: {stal_timeout: 5m}", "dump.stal_timeout: unknown key, did you mean stall_timeout?"),
        ("    Port: 3", "Port: unknown key, did you mean port?"),
        ("    stall_timeout: 5m", "stall_timeout: unknown key here, it belongs in instances.dump"),
        ("    dump: {instances: 1}", "dump.instances: unknown key here, it belongs in the top level"),
        ("    dump: {qqq: 1}", "qqq: unknown key, known are tool, stall_timeout, timeout, extra_options"),
        ("    password: hunter2", "unknown key: who logs in is said in the credentials file"),
    ],
)
def test_an_unknown_key_names_what_may_be_meant(write: Write, more: str, said: str) -> None:
    (fault,) = faults(write(INSTANCE + more + "\n"))
    assert said in fault
    assert fault.startswith("5: instances[0].")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        ("id: a, engine: mysql", "socket: either `host` or `socket` is needed"),
        (
            "id: a, engine: mysql, host: h, socket: /s",
            "socket: either `host` or `socket` is needed, not both",
        ),
        ("id: a, engine: mysql, socket: /s, port: 3306", "port: without effect with a `socket`"),
        ("id: a, engine: mysql, socket: /s, tls: {mode: require}", "tls: without effect with a `socket`"),
        ("id: a, engine: mysql, host: h, maintenance_database: x", "only for PostgreSQL"),
        ("id: a, engine: postgresql, host: h, broken_views: skip", "only for MySQL and MariaDB"),
        ("id: a, engine: mysql, host: h, port: 0", "port: must be greater than or equal to 1"),
        ("id: a, engine: mysql, host: h, port: 65536", "port: must be less than or equal to 65535"),
        ("id: a, engine: mysql, host: h, port: true", "port: must be a whole number"),
        ("id: a, engine: mysql, host: 'h:3306'", "host: name the port with `port`"),
        ("id: a, engine: mysql, host: /run/x", "host: a path: a socket is named with `socket`"),
        ("id: a, engine: mysql, host: --help", "host: not a host name or address"),
        ("id: a, engine: mysql, host: 'a,b'", "host: not a host name or address"),
        ("id: a, engine: mysql, host: 'u:pw@h'", "host: not a host name or address"),
        ("id: a, engine: mysql, host: ''", "host: not a host name or address"),
        ("id: a, engine: mysql, host: h, tls: {cert: c}", "tls.key: `cert` and `key` need each other"),
        ("id: a, engine: mysql, host: h, tls: {key: c}", "tls.key: `cert` and `key` need each other"),
        ("id: a, engine: mysql, host: h, tls: {mode: disable, ca: c}", "tls.ca: without effect where"),
        ("id: a, engine: mysql, host: h, tls: {mode: verify_full}", "did you mean verify-full?"),
        ("id: a/b, engine: mysql, host: h", "id: names a folder"),
        ("id: .., engine: mysql, host: h", "id: names a folder"),
        ("id: '', engine: mysql, host: h", "id: names a folder"),
        ("id: 2026, engine: mysql, host: h", "id: must be text: write it in quotes"),
        ("id: null, engine: mysql, host: h", "id: has no value"),
        ("engine: mysql, host: h", "id: is missing"),
        ("id: a, host: h", "engine: is missing"),
        ("id: a, engine: mysql, host: h, dump: {extra_options: --x}", 'must be a list: write ["..."]'),
        ("id: a, engine: mysql, host: h, dump: {extra_options: [x]}", "begins with two dashes"),
        ("id: a, engine: mysql, host: h, dump: {timeout: 5}", "timeout: not a duration"),
        ("id: a, engine: mysql, host: h, dump: {stall_timeout: null}", "stall_timeout: has no value"),
        ("id: a, engine: mysql, host: h, dump: {tool: ''}", "tool: not a path"),
        (f"id: a, engine: mysql, host: h, dump: {{tool: /{'a' * 4096}}}", "tool: not a path"),
        ("id: a, engine: mysql, host: h, allow_partial: perhaps", "allow_partial: must be true or false"),
        ("id: a, engine: mysql, host: h, databases: {include: [7]}", "include[0]: must be text"),
    ],
)
def test_a_fault_of_an_instance_is_named(write: Write, instance: str, said: str) -> None:
    (fault,) = faults(write(f"instances:\n  - {{{instance}}}\n"))
    assert fault.startswith("2: instances[0]")
    assert said in fault


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("compression: {level: 20}", "compression.level: zstd has the levels 1 to 19"),
        ("compression: {codec: gzip, level: 10}", "compression.level: gzip has the levels 1 to 9"),
        ("compression: {codec: none, level: 1}", "compression.level: without effect where `codec` is none"),
        ("compression: {codec: gzipp}", "did you mean gzip?"),
        ("credentials: {key: {file: a, env: b}}", "credentials.key: write hostname, {file: PATH}"),
        ("credentials: {key: secret}", "credentials.key: write hostname, {file: PATH}"),
        (
            "credentials: {key: {systemd: ../x}}",
            "credentials.key.systemd: the name of a credential is not a path",
        ),
        ("storage: {hostname: a/b}", "storage.hostname: not usable as the name of a folder"),
        ("storage: {min_free: 100%}", "storage.min_free: a share must be below 100%"),
        ("storage: /var/backups", "storage: must hold keys and values"),
        ("logging: {level: loud}", "logging.level: must be one of debug, info, warning or error"),
        ("hooks: {before: run-it}", 'hooks.before: must be a list: write ["..."]'),
        ("hooks: {before: [a, 'b | c']}", "hooks.before[1]: no shell reads it"),
        ("hooks: {before: [a > b]}", "hooks.before[0]: no shell reads it"),
        ('hooks: {before: ["a \'b"]}', "hooks.before[0]: a quote is not closed"),
        ("hooks: {after: [/bin/a, --b]}", "hooks.after[1]: an option is no program"),
        ("hooks: {after: [[]]}", "hooks.after[0]: names no program"),
        ("hooks: {after: [' ']}", "hooks.after[0]: names no program"),
        ("hooks: {after: [[sleep, 5]]}", "hooks.after[0][1]: must be text"),
        ('hooks: {after: [[a, "\\0"]]}', "hooks.after[0]: a character that no program can be given"),
        ("notify: {urls: json://hunter2}", 'notify.urls: must be a list: write ["..."]'),
        ("notify: {urls: [hunter2]}", "notify.urls[0]: must be an address as apprise has them"),
        ("notify: {ping: ftp://hunter2}", "notify.ping: must be an address that begins with https://"),
        ("notify: {ping: 'http://h/hunter2 x'}", "notify.ping: must be an address that begins"),
        ("notify: {ping: 'http://[hunter2'}", "notify.ping: must be an address that begins"),
        ("notify: {ping: 'http://u:hunter2@h/'}", "notify.ping: a user name, a password or #"),
        ("compression: {codec: zstd, codec: gzip}", "compression.codec: written twice, first on line 5"),
    ],
)
def test_a_fault_of_a_section_is_named(write: Write, section: str, said: str) -> None:
    (fault,) = faults(write(INSTANCE + section + "\n"))
    assert fault.startswith("5: ")
    assert said in fault
    assert "hunter2" not in fault


def test_an_id_used_twice_is_found_whatever_else_is_wrong(write: Write) -> None:
    path = write(INSTANCE + "  - id: Shop\n    engine: mysql\n    host: h\n    jobs: many\n")
    assert faults(path) == [
        "5: instances[1].id: Shop is used twice",
        "8: instances[1].jobs: must be a whole number",
    ]


def test_an_id_used_twice_is_found_where_all_else_is_right(write: Write) -> None:
    assert "twice" in faults(write(INSTANCE + "  - {id: SHOP, engine: mysql, host: h}\n"))[0]


def test_a_configuration_without_instances_is_refused(write: Write) -> None:
    assert "at least one instance" in faults(write("instances: []\n"))[0]
    assert "instances: is missing" in faults(write("storage:\n"))[0]


def test_names_in_faults_are_printable(write: Write) -> None:
    (fault,) = faults(write(INSTANCE + '    "bad\\n\\e[31mkey": 1\n'))
    assert r"bad\n\x1b[31mkey" in fault


# ---------------------------------------------------------------------------- files that are none


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: no such file"):
        load_config(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"config\.yaml: empty"),
        (b"# nothing but a comment\n", r"config\.yaml: empty"),
        (b"- a\n", r"not a mapping"),
        (b"text", r"not a mapping"),
        (b"a: 1\nb: \xff\xfe\n", r"config\.yaml:2: not UTF-8"),
        (b"a: [1, 2\n", r"config\.yaml:\d: not YAML"),
        (b"a: " + b"x" * (5 << 20), r"larger than 4 MiB"),
        (b"[" * 100_000, r"config\.yaml:1: nested"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_config(path)
    assert len(caught.value.what.splitlines()) == 1


def test_a_folder_and_a_named_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not an ordinary file"):
        load_config(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="not an ordinary file"):
        load_config(pipe)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(write: Write) -> None:
    path = write(INSTANCE)
    path.chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        load_config(path)


# ---------------------------------------------------------------------------- where it is looked for


def test_the_named_file_goes_before_all_others(tmp_path: Path) -> None:
    assert find_config(tmp_path / "named.yaml") == tmp_path / "named.yaml"


def test_the_first_place_that_has_a_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "second.yaml").touch()
    (tmp_path / "third.yaml").touch()
    places = [tmp_path / f"{name}.yaml" for name in ("first", "second", "third")]
    assert find_config(None, places) == tmp_path / "second.yaml"


def test_without_a_file_the_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"looked for .*first\.yaml and .*second\.yaml"):
        find_config(None, [tmp_path / "first.yaml", tmp_path / "second.yaml"])


def test_the_usual_places_are_those_of_the_home_folder_and_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = tmp_path / ".config" / "vya-backupdb" / "config.yaml"
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert find_config() == mine


@pytest.mark.parametrize(
    ("retention", "said"),
    [
        ("{}", "no rule keeps anything"),
        ("{daily: 0, timezone: UTC}", "no rule keeps anything"),
        ("{daily: 7, timezone: Europe/Nowhere}", "no such time zone"),
        ("{daily: 7, timezone: ../../etc/passwd}", "no such time zone"),
        ("{daily: -1}", "retention.daily"),
        ("{within: soon}", "not a duration"),
        ("{hourly: 3}", "unknown key"),
    ],
)
def test_a_retention_that_cannot_be_is_a_fault(write: Write, retention: str, said: str) -> None:
    assert said in faults(write(INSTANCE + f"retention: {retention}\n"))[0]


def test_a_hook_is_a_list_of_words_or_a_text_that_is_cut_into_them(write: Write, tmp_path: Path) -> None:
    hooks = """hooks: {before: ["./a 'b c' $d", [~/e, "", "f\\ng"], /h], timeout: 1h}"""
    read = load_config(write(INSTANCE + hooks + "\n")).hooks
    assert read.before == (
        (str(tmp_path / "a"), "b c", "$d"),
        (str(Path.home() / "e"), "", "f\ng"),
        ("/h",),
    )
    assert read.timeout == timedelta(hours=1)


# ---------------------------------------------------------------------------- the example


def test_the_example_loads() -> None:
    assert {instance.engine for instance in load_config(EXAMPLE).instances} == {"mysql", "postgresql"}


def test_every_key_of_the_models_stands_in_the_example() -> None:
    document: Any = read_document(EXAMPLE.read_text()).value
    text = EXAMPLE.read_text()

    def missing(model: type[BaseModel], values: list[dict[str, Any]], place: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            given = [value[name] for value in values if name in value]
            inner = next(_models_in(field.annotation), None)
            # the forms of `credentials.key` exclude each other, so they are only described
            if place == ".credentials.key":
                found += [] if re.search(rf"\{{{name}: ", text) else [f"{place}.{name}"]
            elif not given:
                found.append(f"{place}.{name}")
            elif inner is not None:
                parts = [part for value in given for part in (value if isinstance(value, list) else [value])]
                found += missing(inner, [p for p in parts if isinstance(p, dict)], f"{place}.{name}")
        return found

    assert missing(Config, [document], "") == []


def test_every_default_in_the_example_is_the_default() -> None:
    """All but what an instance must say: the example can be read as a list of the defaults."""
    example = load_config(EXAMPLE)
    for section in ("compression", "logging"):
        assert getattr(example, section) == type(getattr(example, section))()
    plain = example.instance("prod-mariadb-01")
    full = example.instance("prod-mysql-01")
    for key in ("jobs", "allow_partial", "lock_wait", "dump"):
        assert getattr(full, key) == getattr(plain, key)


def test_checks_are_queries_of_databases(write: Write) -> None:
    instance = load_config(write(INSTANCE + "    checks: {shop: ['SELECT 1']}\n")).instance("shop")
    assert instance.checks == {"shop": ("SELECT 1",)}
    (fault,) = faults(write(INSTANCE + "    checks: {shop: ['  ']}\n"))
    assert "must be one SQL query" in fault
    (fault,) = faults(write(INSTANCE + "    checks: {shop: SELECT 1}\n"))
    assert "must be a list" in fault
