"""The page of operators is what the frontend does today."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from penstock.frontend.coverage import page
from penstock.frontend.einsums import covered


@pytest.mark.slow
def test_the_page_is_current(checkout: Path) -> None:
    """Otherwise: python -m penstock.frontend.coverage."""
    assert (checkout / "docs" / "op_coverage.md").read_text() == page()


def test_every_form_names_an_operator_that_exists() -> None:
    for name in covered():
        space, op, *overload = name.split(".")
        packet = getattr(getattr(torch.ops, space), op, None)
        assert packet is not None, name
        assert not overload or overload[0] in packet.overloads(), name
