"""Look words up without showing which: ``python examples/private_lookup.py``.

A classifier of six words, its ids private. Three runs, of six equal words, of six different ones and of one
word again and again, give what PyTorch gives, by as many accesses of the map each.
"""

from __future__ import annotations

import torch
from torch import nn

import penstock


class Classifier(nn.Module):
    """Words to the mean of their rows to two scores."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(1000, 64)
        self.scores = nn.Linear(64, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Scores of six words."""
        return self.scores(self.words(ids).mean(1))


def main() -> None:
    """Compile, run, compare."""
    torch.manual_seed(0)
    model = Classifier().eval()
    bundle = penstock.compile(model, {"ids": torch.zeros(1, 6, dtype=torch.int64)}, private="ids")
    rows = bundle.program().rows
    assert rows is not None
    print(bundle.report().text().splitlines()[-1])
    seen = 0
    for ids in ([[7] * 6], [[1, 200, 3, 999, 5, 60]], [[0, 0, 0, 0, 0, 998]]):
        given = torch.tensor(ids)
        with torch.no_grad():
            wanted = model(given)
        (got,) = bundle.run({"ids": given.numpy()}).values()
        counted = rows.counters()
        print(
            f"{ids[0]}: {counted['accesses'] - seen} accesses, off by {abs(got - wanted.numpy()).max():.1e}"
        )
        seen = counted["accesses"]
    pages, size = counted["host_reads"], rows.map.config.page_bytes
    print(f"the host saw {pages} pages of {size} bytes read and as many written")


if __name__ == "__main__":
    main()
