"""The report: every section is there, the page needs nothing from outside, and bad bundles are refused."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from penstock.ir.errors import BundleError, InputError
from penstock.sim.report import read, render_html, report, terminal_tables, to_json, units

VOID = {"meta", "link", "br", "img", "use", "path", "rect", "line", "circle"}


class Outline(HTMLParser):
    """Headings of a page, and whether its tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


@pytest.fixture(scope="module")
def page(bundle, tmp_path_factory):
    return render_html(bundle, tmp_path_factory.mktemp("page") / "report.html").read_text()


@pytest.fixture(scope="module")
def outline(page):
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_page_has_every_section(outline):
    text = " | ".join(outline.headings)
    for section in (
        "Cost on the target",
        "Fused groups: Einsums and passes",
        "Work per fused group",
        "Roofline",
        "Memory of intermediates",
        "offset × time",
        "Verification",
        "RTL cycles",
        "layer by layer",
        "Compile time",
    ):
        assert section in text


def test_page_needs_nothing_from_outside(page, outline):
    loads = [
        value for name, value in outline.attributes if name in ("src", "href", "xlink:href", "data", "srcset")
    ]
    assert all(value.startswith("#") for value in loads)
    assert not re.search(r"url\((?!#)|@import|\bfetch\(|XMLHttpRequest", page)


def test_ids_are_unique(outline):
    ids = [value for name, value in outline.attributes if name == "id"]
    assert sorted(ids) == sorted(set(ids))


def test_references_inside_the_page_resolve(page, outline):
    ids = {value for name, value in outline.attributes if name == "id"}
    targets = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    assert targets <= ids


def test_every_plot_takes_its_ink_from_the_page(page):
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(plots) == 2 * 4 + 3 + 2
    assert all("currentColor" in plot for plot in plots)
    assert "#010203" not in page
    assert "#000000" not in page


def test_names_are_escaped(page):
    assert "synthetic &lt;test&gt; data" in page
    assert "<test>" not in page


def test_einsums_and_passes_are_shown(page):
    assert "BQK[b,h,m0,p] = sum[e] mul(Q[b,h,e,p], K[b,h,e,m1*16+m0])" in page
    assert "3 → 1 passes" in page
    assert "defer division, iterate over m1" in page


def test_page_is_the_same_every_time(bundle, page, tmp_path):
    assert render_html(bundle, tmp_path / "again.html").read_text() == page


def test_unverified_bundle_has_no_verification_section(make_bundle, tmp_path):
    text = render_html(make_bundle(checked=False), tmp_path / "r.html").read_text()
    assert "<h2>Verification" not in text
    assert "<h2>RTL" not in text


def test_failures_are_shown_as_failures(make_bundle, tmp_path):
    bundle = make_bundle(worst=0.5, mismatches=3)
    text = render_html(bundle, tmp_path / "r.html").read_text()
    assert "FAILED" in text
    assert "3 of 2688 differ" in text
    assert "encoder.layer.0.attention" in report([bundle]).text()


def test_several_bundles_share_one_page_and_are_json_with_its_path(make_bundle, tmp_path):
    found = report([make_bundle("one"), make_bundle("two")], tmp_path / "r.html").to_json()
    assert [bundle["bundle"] for bundle in found["bundles"]] == ["one", "two"]
    assert found["html"] == str(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<h1 ") == 2
    assert '<a href="#bundle-1">two</a>' in text


def test_terminal_shows_groups_memory_errors_and_cycles(make_bundle):
    text = report([make_bundle()]).text()
    for figure in (
        "attention",
        "3 → 1",
        "all groups",
        "size-first-fit",
        "eager PyTorch",
        "bit-exact",
        "98,765",
        "layer.0.query",
        "48,765",
    ):
        assert figure in text


def test_terminal_tables_print_on_a_console(make_bundle):
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(terminal_tables(make_bundle()))
    assert "attention" in console.export_text()


def test_json_holds_the_records(make_bundle):
    found = json.loads(json.dumps(to_json(make_bundle()), allow_nan=False))
    assert found["parameters"] == 384 * 384 + 384
    assert found["rtl"][0]["cycles_rtl"] == 98_765
    assert found["rtl"][0]["layers"][1]["cycles_rtl"] == 50_000
    assert found["verification"]["ok"] is True
    assert set(found["cost"]["entries"]) == {"main_64", "main_256"}


@pytest.mark.parametrize(
    "text", ["{", '{"schema": 9}', '{"schema": 1}', '{"schema": 1, "runs": [{"layer": "x"}]}']
)
def test_broken_extra_file_is_refused(make_bundle, text):
    bundle = make_bundle()
    (bundle / "verilog" / "sim.json").write_text(text)
    with pytest.raises(BundleError, match=r"sim\.json"):
        read(bundle)


def test_place_that_cannot_be_written_is_a_bundle_error(make_bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        render_html(make_bundle(), tmp_path / "file" / "report.html")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (units.size(0), "0 B"),
        (units.size(1536), "1.5 KiB"),
        (units.size(300 << 20), "300 MiB"),
        (units.amount(12_345_678, "flop"), "12.3 Mflop"),
        (units.amount(7), "7"),
        (units.duration(0.00042), "420 µs"),
        (units.duration(0), "0 s"),
        (units.scientific(0), "0"),
        (units.scientific(3.14e-7), "3.1e-07"),
    ],
)
def test_figures_read_well(shown, text):
    assert shown == text
