"""A document is read, and what it says is done: configurations written, commands typed, outputs compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from vya_backupdb.config.load import load_config
from vya_backupdb.model import Flavour

from .blocks import Block, Command, blocks
from .exceptions import CLIENTS, MADE_BEFORE, NOT_EXECUTED, NOT_KEPT, PLACEHOLDERS, UNIT, WHAT_IT_RUNS
from .machine import WORK, Machine
from .servers import Known, clear
from .terminal import Said

CONFIG = "/etc/vya-backupdb/config.yaml"
STORE = "/var/backups/vya-backupdb"


@dataclass
class Reader:
    """Somebody at the terminal of a machine, with a document."""

    machine: Machine
    servers: Sequence[Known]
    """Those whose passwords are known."""
    beside: Sequence[str] = ()
    """Ids of servers that the text takes for granted: empty, configured while a command names them."""
    engine: Flavour | None = None
    """For which a document is read that takes MariaDB as its example; None: for all that it names."""
    by_hand: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """What a text leaves to its reader, by how the command begins that it is done after."""
    vault: str = field(default="", repr=False)
    """The password of Ansible's vault."""
    seconds: float = 300
    """That commands of one paragraph have."""
    config: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _variables: dict[str, str] = field(default_factory=dict)
    """That the document exports."""
    _introduced: set[str] = field(default_factory=set)
    """Ids of those beside whose logins are stored."""

    def read(self, document: str) -> None:
        """Do all that a document says; what goes wrong is in `faults`."""
        found = blocks(document)
        for block, after in zip(found, [*found[1:], None], strict=True):
            if block.language == "yaml":
                self._configure(block)
            elif block.language == "sh":
                said = [
                    one for each in block.paragraphs() if self._is_meant(each) for one in self._type(each)
                ]
                if after is not None and after.language == "text":
                    self._compare(after, said)

    def done(self) -> None:
        """Tell all that went wrong."""
        assert not self.faults, "\n\n".join(self.faults)

    # ------------------------------------------------------------------ commands

    def _is_meant(self, paragraph: Sequence[Command]) -> bool:
        first = paragraph[0].text.split()[0]
        others = [names for engine, names in CLIENTS.items() if self.engine not in (None, engine)]
        return not any(first in names for names in others)

    def _type(self, paragraph: Sequence[Command]) -> list[Said]:
        commands = [
            Command(command.where, self._filled(text))
            for command in paragraph
            if not any(left.fits(text := self._run_by_hand(command.text)) for left in NOT_EXECUTED)
        ]
        if not commands:
            return []
        text = "\n".join(command.text for command in commands)
        named = [known for known in self.servers if known.id in self.beside and _names(text, known.id)]
        for known in named:
            clear(known.server)
        if named:
            self.write_config([known.entry() for known in named])
            self._introduce(named)
        for name, maker in MADE_BEFORE.items():
            if _names(text, name) and not self.machine.path(f"{WORK}/{name}").exists():
                self.machine.ran(f"{self._filled(maker)} >{name}")
        for command in commands:
            if command.text.startswith("export "):
                self._variables |= dict(re.findall(r"\b(\w+)=(\S+)", command.text))
        said = self.machine.run(commands, self.answer, seconds=self.seconds)
        self.faults += [str(one) for one in said if one.status != 0]
        for begin, done_by_hand in self.by_hand.items():
            if not self.faults and any(command.text.startswith(begin) for command in commands):
                done_by_hand()
        if named:
            self.write_config()
        if any(command.text.startswith("vya-backupdb init") for command in commands):
            self.config = yaml.safe_load(self.machine.path(CONFIG).read_text())
        return said

    def _run_by_hand(self, text: str) -> str:
        """Give what a unit runs, where it would back up a server that is there."""
        unit = UNIT.fullmatch(text)
        is_here = unit is not None and unit[1] in [known.id for known in self.servers]
        return UNIT.sub(WHAT_IT_RUNS, text) if is_here else text

    def _introduce(self, named: Iterable[Known]) -> None:
        for known in named:
            if known.id in self._introduced:
                continue
            self._introduced.add(known.id)
            line = f"vya-backupdb credentials set {known.id} --username {known.username}"
            (said,) = self.machine.run([Command("this test", line)], self.answer)
            assert said.status == 0, said

    def answer(self, command: str, question: str) -> str:
        """Say yes, an id, the password of the vault, or that of the instance that a command names."""
        if "y/N" in question or "Y/n" in question:
            return "y"
        if flavour := re.search(r"Its id \[(\w+)\]", question):
            return f"prod-{flavour[1]}"
        if re.search(r"^ansible-vault |--ask-vault-pass", command):
            return self.vault
        for name, value in self._variables.items():
            command = command.replace(f"${name}", value)
        username = re.search(r"--username (\w+)", command)
        meant = [known for known in self.servers if _names(command, known.id)]
        if username:  # where none of them is known by it, the id is about to move to another server
            of_that_name = [known for known in self.servers if known.username == username[1]]
            meant = [known for known in meant if known in of_that_name] or of_that_name
        assert len(meant) == 1, f"{command} asks: {question}"
        return meant[0].password

    def _filled(self, text: str) -> str:
        if self.engine is not None:
            text = re.sub(r"\b(prod-|new-|engine: )mariadb\b", rf"\1{self.engine}", text)
        now = datetime.now(UTC)
        text = re.sub(PLACEHOLDERS["moment"].pattern, f"{now:%Y-%m-%d %H:%M:%S}Z", text)
        return re.sub(PLACEHOLDERS["stem"].pattern, lambda match: self.newest(match[1], match[2]), text)

    def newest(self, instance: str, database: str) -> str:
        """Give the path of the newest backup of a database, without the ends of its names."""
        store = self.machine.path(STORE)
        (*_, newest) = sorted(store.glob(f"*/{instance}/{database}/*/*.json"), key=lambda path: path.name)
        return f"{STORE}/{newest.relative_to(store)}".removesuffix(".json")

    # ------------------------------------------------------------------ configurations

    def _configure(self, block: Block) -> None:
        self.config = added(self.config, yaml.safe_load(self._filled(block.text)))
        self.write_config()
        try:
            load_config(self.machine.path(CONFIG))
        except Exception as error:  # whatever it is, it is the document's
            self.faults.append(f"{block.where}: {error}")
        self.config = {name: value for name, value in self.config.items() if name not in NOT_KEPT}
        self.write_config()

    def write_config(self, beside: Iterable[object] = ()) -> None:
        document = {**self.config, "instances": [*self.config.get("instances", ()), *beside]}
        self.machine.write(CONFIG, yaml.safe_dump(document, sort_keys=False))

    # ------------------------------------------------------------------ outputs

    def _compare(self, block: Block, said: Iterable[Said]) -> None:
        written = "\n".join(one.all for one in said)
        place = 0
        for line in filter(str.strip, self._filled(block.text).splitlines()):
            found = re.compile(shape(line), re.MULTILINE).search(written, place)
            if found is None:
                self.faults.append(f"{block.where}: not written: {line}\nbut:\n{written}")
                return
            place = found.end()


def added(config: dict[str, Any], part: Any) -> dict[str, Any]:
    """Give a configuration with what a block shows: all of it, sections, or what belongs to instances."""
    if isinstance(part, list):
        known = {instance["id"]: instance for instance in config.get("instances", ())}
        for instance in part:
            known[instance["id"]] = {**known.get(instance["id"], {}), **instance}
        return {**config, "instances": list(known.values())}
    return {**config, **part}


def shape(line: str) -> str:
    """Give the pattern of a line: numbers are any numbers, `...` is anything, room is any room."""
    parts = re.split(r"(\.\.\.|\d[\d.,:TZ-]*|\s+)", line.strip())
    patterns = {"...": ".*"}
    return r"^\s*" + "".join(
        patterns.get(part)
        or (r"\s+" if part.isspace() else r"\d[\d.,:TZ-]*" if part[0].isdigit() else re.escape(part))
        for part in parts
        if part
    )


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", text) is not None
