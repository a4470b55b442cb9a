"""The page that a newcomer reads first names the rooms, the modules and the contracts that there are."""

import re
import tomllib
from pathlib import Path

import pytest

from vya_backupdb.engines import base

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vya_backupdb"
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def rooms() -> list[str]:
    table = re.search(r"## The rooms\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert table is not None
    names: list[str] = []
    for line in table[1].splitlines():
        words = line.split()
        names += words if all(word.endswith(".py") for word in words) else words[:1]
    return names


def test_every_room_is_named_in_the_order_of_the_layers() -> None:
    present = {path.name for path in PACKAGE.iterdir() if path.name[0] != "_"} - {"py.typed"}
    assert set(rooms()) == present
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(each for each in contracts if each["type"] == "layers" and "cli" in each["layers"])[
        "layers"
    ]
    height = {name: i for i, layer in enumerate(layers) for name in layer.split(" | ")}
    order = [height[room.removesuffix(".py")] for room in rooms()]
    assert order == sorted(order)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/*]+(?:\.py|/))`", PAGE))))
def test_a_module_that_is_named_is_there(name: str) -> None:
    assert list(PACKAGE.glob(name)) or list(PACKAGE.glob(f"engines/*/{name}"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`Connector\.(\w+)`", PAGE))))
def test_what_a_connector_is_asked_is_one_of_its_methods(name: str) -> None:
    assert callable(getattr(base.Connector, name))


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")), ids=lambda p: p.name
)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
