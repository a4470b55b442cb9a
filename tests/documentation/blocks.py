"""What the documents hold: fenced blocks, the commands in them, and commands in running text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("README.md", "docs/*.md", "etc/**/*.md", "scripts/examples/*.md")
    for path in ROOT.glob(pattern)
)
"""What is read by who uses the program."""

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Command:
    """A line for a shell; one that is continued with a backslash is one."""

    where: str
    """The document and its line."""
    text: str


@dataclass(frozen=True)
class Block:
    """A fenced block, without the indentation of the list that it stands in."""

    document: str
    line: int
    """Of the document: that of its fence."""
    chapter: str
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.document}:{self.line}"

    def paragraphs(self) -> list[list[Command]]:
        """Give the commands; those between empty lines follow each other, paragraphs are alternatives."""
        found: list[list[Command]] = [[]]
        started, begun = "", 0
        for number, line in enumerate(self.text.splitlines(), self.line + 1):
            if not started and (not line.strip() or line.lstrip().startswith("#")):
                if not line.strip() and found[-1]:
                    found.append([])
                continue
            begun = begun if started else number
            started += f"{line}\n"
            if not line.endswith("\\"):
                found[-1].append(Command(f"{self.document}:{begun}", started.rstrip("\n")))
                started = ""
        return [paragraph for paragraph in found if paragraph]

    def commands(self) -> list[Command]:
        return [command for paragraph in self.paragraphs() for command in paragraph]


def blocks(document: str, text: str | None = None) -> list[Block]:
    """Give the fenced blocks of a document in their order."""
    text = (ROOT / document).read_text(encoding="utf-8") if text is None else text
    found = []
    for match in _FENCED.finditer(text):
        before = text[: match.start()]
        headings = re.findall(r"^#+ (.+)$", before, re.MULTILINE)
        found.append(
            Block(
                document,
                before.count("\n") + 1,
                headings[-1] if headings else "",
                match[2],
                dedent(match[3]),
            )
        )
    return found


def inline_commands(document: str) -> Iterator[Command]:
    """Give what stands between backticks in running text and begins with the program's name."""
    text = (ROOT / document).read_text(encoding="utf-8")
    running = _FENCED.sub(lambda fenced: "\n" * fenced[0].count("\n"), text)
    for match in _INLINE.finditer(running):
        words = " ".join(match[1].split())
        if words.startswith("vya-backupdb "):
            yield Command(f"{document}:{running.count(chr(10), 0, match.start()) + 1}", words)
