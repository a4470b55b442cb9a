"""Nothing of the product runs a shell, and every child gets an environment that is made for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PRODUCT = Path(__file__).parents[2] / "vya_backupdb"

_SHELLS = {
    "os": ("system", "popen", "exec", "spawn", "posix_spawn", "startfile"),
    "subprocess": ("getoutput", "getstatusoutput"),
    "asyncio": ("create_subprocess",),
    "pty": ("spawn",),
}
_SUSPICIOUS = re.compile(
    r"subprocess|asyncio|\bpty\b|\bos\s*\.\s*(system|popen|exec|spawn|posix_spawn|startfile)"
    r"|from os import|\b(eval|exec|__import__)\s*\("
)
"""Which files are read at all: taking apart every one takes seconds."""

_STARTS = ("run", "Popen", "call", "check_call", "check_output")


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Give module, function and call of each `module.function(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=function)):
                yield module, function, node


def findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module in _SHELLS:
                if any(name.name.startswith((*_SHELLS[module], *_STARTS)) for name in node.names):
                    yield f"line {node.lineno}: imports a way to start programs from {module}"
            case ast.Call(func=ast.Name(id="eval" | "exec" | "__import__")):
                yield f"line {node.lineno}: executes text"
    for module, function, call in calls(tree):
        if function.startswith(_SHELLS.get(module, ())):
            yield f"line {call.lineno}: {module}.{function}"
        if module == "subprocess" and function in _STARTS:
            given = {keyword.arg for keyword in call.keywords}
            if "shell" in given or "executable" in given:
                yield f"line {call.lineno}: a shell"
            if "env" not in given:
                yield f"line {call.lineno}: a child with the caller's environment"
            if not call.args or isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp):
                yield f"line {call.lineno}: a command that is one text"


@pytest.mark.threat("program-shell")
def test_nothing_runs_a_shell_or_gives_a_child_the_callers_environment() -> None:
    found = [
        f"{path.relative_to(PRODUCT)}: {finding}"
        for path in PRODUCT.rglob("*.py")
        if _SUSPICIOUS.search(text := path.read_text())
        for finding in findings(ast.parse(text))
    ]
    assert found == []


def test_what_would_be_a_shell_is_found() -> None:
    bad = (
        "import os, subprocess\nfrom os import system\nos.popen(x)\nsubprocess.run(x, shell=True, env={})\n"
        "subprocess.Popen(x)\nsubprocess.run(f'ls {x}', env={})\neval(x)\nos.execvp(x, y)\n"
    )
    assert len(list(findings(ast.parse(bad)))) == 7
    assert all(_SUSPICIOUS.search(line) for line in bad.splitlines())
