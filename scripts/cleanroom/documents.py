"""The commands that the documents say."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]


def commands(document: str, heading: str, language: str = "sh") -> str:
    """Give the blocks of a language below a heading of the second level, one after the other."""
    return "".join(blocks(document, heading, language))


def blocks(document: str, heading: str, language: str = "sh") -> list[str]:
    """Give each of them."""
    text = (ROOT / document).read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    fenced = re.compile(rf"^( *)```{language}\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
    texts = [dedent(text) for _, text in fenced.findall(found[1])] if found else []
    if not texts:
        sys.exit(f"cleanroom: {document} has no commands below `{heading}`")
    return texts
