"""The cost record: what is written is what is read, and nothing else is accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.ir import targets
from penstock.ir.errors import BundleError
from penstock.sim.cost.module import GroupCount
from penstock.sim.cost.price import price_groups, roofs
from penstock.sim.cost.record import CostRecord, EntryCost, PassTime


def counted(**changes: Any) -> GroupCount:
    """A group as the module counter reports it."""
    figures: dict[str, Any] = {
        "kernel": "linear",
        "function": "main",
        "instances": 2,
        "einsums": ("Y[s,f] = sum[d] mul(X[s,d], W[f,d])",),
        "operations": {"mac": 2000},
        "bytes_read": 400,
        "bytes_written": 100,
        "bytes_unfused": 900,
        "dtype": "f32",
        "passes_before": 1,
        "passes_after": 1,
        "over": "d",
        "rewrites": (),
        "footprint_before": "1",
        "footprint_after": "1",
        "derivation": (),
    }
    return GroupCount(**{**figures, **changes})


def record():
    target = targets.load("cpu")
    groups = price_groups([counted(), counted(kernel="softmax", operations={"exp": 5, "move": 2})], target)
    return CostRecord("cpu", roofs(target), {"main": EntryCost(groups)}, (PassTime("fuse", 0.5),))


def test_record_survives_json():
    text = json.dumps(record().to_json(), allow_nan=False)
    assert CostRecord.from_json(json.loads(text)) == record()


def test_groups_are_priced_on_the_target():
    linear, softmax = record().entries["main"].groups
    assert linear.flops == 2000
    assert linear.seconds == max(2000 / roofs(targets.load("cpu")).flops_per_s["f32"], 500 / 20e9)
    assert softmax.flops == 5
    assert linear.intensity == 4


def test_products_of_bf16_are_priced_at_their_own_rate():
    target = targets.load("h200")
    work = {"operations": {"mac": 10**12, "add": 1}, "bytes_read": 1, "bytes_written": 1}
    full, half = price_groups([counted(**work), counted(**work, products="bf16")], target)
    assert half.dtype == "bf16"
    assert half.seconds == 10**12 / roofs(target).flops_per_s["bf16"]
    assert half.seconds < full.seconds


def test_entry_sums_its_groups_over_their_instances():
    entry = record().entries["main"]
    assert entry.flops == 2 * (2000 + 5)
    assert entry.bytes == 2 * (500 + 500)
    assert entry.bytes_unfused == 2 * (900 + 900)
    assert entry.seconds == 2 * sum(group.seconds for group in entry.groups)


def test_roofs_are_those_of_the_target():
    found = roofs(targets.load("h200"))
    assert found.bandwidth_bytes_per_s == pytest.approx(4.8e12)
    assert found.flops_per_s["bf16"] == pytest.approx(989e12, rel=1e-3)


@pytest.mark.parametrize("schema", [None, 0, 2])
def test_other_schema_is_refused(schema):
    with pytest.raises(BundleError, match="compile again"):
        CostRecord.from_json({**record().to_json(), "schema": schema})


def test_missing_or_unknown_keys_are_refused():
    data = record().to_json()
    with pytest.raises(BundleError, match="not a cost record"):
        CostRecord.from_json({key: value for key, value in data.items() if key != "roofs"})
    data["entries"]["main"]["groups"][0]["colour"] = "blue"
    with pytest.raises(BundleError, match="colour"):
        CostRecord.from_json(data, "b/cost.json")
