"""One self-contained HTML page: no file, font or script from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from . import gpu, maps, oblivious, sections
from .contents import Contents
from .markup import note, table


def page(bundles: Sequence[Contents]) -> str:
    """The text of the page for one or more bundles."""
    title = ", ".join(contents.model for contents in bundles)
    links = "".join(f'<a href="#bundle-{at}">{escape(c.name)}</a>' for at, c in enumerate(bundles))
    body = "".join(_bundle(f"bundle-{at}", contents) for at, contents in enumerate(bundles))
    return document(title, (f"<nav>{links}</nav>" if len(bundles) > 1 else "") + body)


def document(title: str, body: str) -> str:
    """A page of that body (HTML), with its style and the script that sorts tables."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>penstock: {escape(title)}</title><style>{_asset('page.css')}</style></head>\n"
        f"<body>{body}<script>{_asset('sort.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (resources.files(__package__ or "penstock.sim.report") / name).read_text(encoding="utf-8")


def _bundle(key: str, contents: Contents) -> str:
    parts = [
        f'<h1 id="{key}">{escape(contents.model)} on {escape(contents.cost.target)}</h1>',
        sections.summary(contents),
        "<h2>Cost on the target</h2>",
        _entries(key, contents),
    ]
    if contents.kernels:
        parts += ["<h2>Kernels of the GPU</h2>", gpu.section(contents.kernels)]
    if contents.far is not None:
        parts.append(f"<p>{escape(contents.far.text())}</p>")
    if contents.maps:
        folded = [
            maps.section(name, found, shown=not at) for at, (name, found) in enumerate(contents.maps.items())
        ]
        parts += ["<h2>Memory map</h2>", *folded]
    if contents.oblivious is not None:
        found = table(oblivious.COLUMNS, oblivious.rows(contents.oblivious))
        parts += ["<h2>Oblivious look-ups</h2>", note(oblivious.title(contents.oblivious)), found]
    if contents.verification is not None:
        parts += ["<h2>Verification</h2>", sections.verification(key, contents.verification)]
    if contents.rtl_runs:
        parts += ["<h2>RTL cycles against the cost model</h2>", sections.rtl(key, contents.rtl_runs)]
    if contents.cost.passes:
        parts += ["<h2>Compile time</h2>", sections.compile_times(key, contents.cost.passes)]
    return "\n".join(parts)


def _entries(key: str, contents: Contents) -> str:
    """Every entry point, the heaviest one unfolded."""
    cost = contents.cost
    heaviest = max(cost.entries, key=lambda name: cost.entries[name].flops, default="")
    return "".join(
        sections.entry(
            f"{key}-{at}", name, found, contents.memory.get(name), cost.roofs, shown=name == heaviest
        )
        for at, (name, found) in enumerate(cost.entries.items())
    )
