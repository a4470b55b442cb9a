"""The commands that the documents say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(document: str, heading: str, language: str = "sh") -> str:
    """Give the blocks of a language below a heading of the second level, one after the other."""
    text = (ROOT / document).read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(rf"^```{language}\n(.*?)^```", found[1], re.DOTALL | re.MULTILINE) if found else []
    if not blocks:
        sys.exit(f"cleanroom: {document} has no commands below `{heading}`")
    return "".join(blocks)
