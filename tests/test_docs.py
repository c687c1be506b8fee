"""The documentation stays true: its commands parse, its links lead somewhere, its pages can be found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from penstock import cli
from penstock.arguments import COMMANDS

FENCE = re.compile(r"^```(?:sh|python)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


def pages(checkout: Path) -> list[Path]:
    front = [checkout / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*front, *sorted((checkout / "docs").rglob("*.md"))]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `penstock …` line of the code blocks, without comments and redirections."""
    for block in FENCE.findall(text):
        for line in block.splitlines():
            if line.startswith("penstock "):
                for part in line.partition(" > ")[0].split(" && "):
                    yield shlex.split(part, comments=True)[1:]


def test_every_command_shown_parses(checkout: Path) -> None:
    shown = [
        (page, words) for page in pages(checkout) for words in commands(page.read_text(encoding="utf-8"))
    ]
    assert len(shown) > 15
    for _, words in shown:
        cli.build_parser().parse_args(words)


def test_links_lead_somewhere(checkout: Path) -> None:
    dead = [
        f"{page.name}: {target}"
        for page in pages(checkout)
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not dead


def test_every_page_is_in_the_navigation(checkout: Path) -> None:
    listed = set(re.findall(r": (\S+\.md)$", (checkout / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    docs = checkout / "docs"
    assert listed == {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}


def test_python_shown_compiles(checkout: Path) -> None:
    block = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
    shown = [code for page in pages(checkout) for code in block.findall(page.read_text(encoding="utf-8"))]
    assert shown
    for code in shown:
        compile(code, "docs", "exec")


def test_every_command_is_in_the_readme(checkout: Path) -> None:
    text = (checkout / "README.md").read_text(encoding="utf-8")
    missing = {command.name.split()[0] for command in COMMANDS if command.name.split()[0] not in text}
    assert not missing
