"""Shell commands typed at a terminal, and its questions answered."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .blocks import Command

_MARK = "\x1e"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_QUESTION = re.compile(r"(?:\[y/N\]|\[Y/n\]|[Pp]assword[^\n]*|confirmation|Its id \[\w+\]):? $")


@dataclass(frozen=True)
class Said:
    """What became of a command."""

    command: Command
    status: int | None
    """None: the shell did not come to it, or not to its end."""
    output: str
    errors: str

    @property
    def all(self) -> str:
        return f"{self.output}\n{self.errors}"

    def __str__(self) -> str:
        status = "did not end" if self.status is None else f"ended with {self.status}"
        return f"{self.command.where}: {self.command.text}\n  {status}\n{self.output}{self.errors}".rstrip()


Answer = Callable[[str, str], str]
"""Takes a command and a question of it, gives what is typed."""


def typed(
    commands: Sequence[Command], shell: Sequence[str], folder: Path, answer: Answer, *, seconds: float
) -> list[Said]:
    """Give commands to a shell, one after the other, each with a terminal as its stdin and stderr.

    `shell` starts it, and takes the name of a script as its last word. `folder`: for what they write; the
    next shell goes on with the variables and the working directory that one beside it left.
    """
    script, variables = folder / "script", folder.parent / "variables"
    lines = ["shopt -s expand_aliases"]
    # the shell's own cannot be set, which it says
    lines += [f'[ ! -r {variables} ] || {{ . {variables} 2>/dev/null; cd "$PWD"; }}']
    lines.append(f"exec 9>{folder}/statuses")
    for number, command in enumerate(commands):
        lines.append(f"printf '{_MARK}{number}{_MARK}' >&2")
        lines.append(f"{{ {command.text}\n}} >{folder}/{number}.out")
        lines.append("echo $? >&9")
    lines.append(f"declare -p >{variables}")
    script.write_text("\n".join(lines) + "\n")
    transcript = _converse([*shell, str(script)], commands, answer, seconds)
    parts = dict(zip(*2 * [iter(transcript.split(_MARK)[1:])], strict=True))
    statuses = (folder / "statuses").read_text().split()
    return [
        Said(
            command,
            int(statuses[number]) if number < len(statuses) else None,
            _read(folder / f"{number}.out"),
            _CONTROL.sub("", parts.get(str(number), "")),
        )
        for number, command in enumerate(commands)
    ]


def _converse(argv: Sequence[str], commands: Sequence[Command], answer: Answer, seconds: float) -> str:
    ours, theirs = pty.openpty()
    run = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    answered = 0
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.05)[0]:
                if run.poll() is not None:
                    break
                text = said[answered:].decode(errors="replace")
                if question := _QUESTION.search(_CONTROL.sub("", text)):
                    number = int(said.decode(errors="replace").split(_MARK)[-2])
                    os.write(ours, f"{answer(commands[number].text, question[0])}\n".encode())
                    answered = len(said)
                continue
            try:
                said += os.read(ours, 1 << 16)
            except OSError:  # nobody has the other end open any more
                break
        with suppress(subprocess.TimeoutExpired):  # the commands that were not done have no status
            run.wait(max(1.0, deadline - time.monotonic()))
    finally:
        run.kill()
        run.wait()
        os.close(ours)
    return said.decode(errors="replace")


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
