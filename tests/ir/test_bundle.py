"""Bundles: what is written comes back, and what is broken is refused with the file and a remedy."""

from __future__ import annotations

import errno
import json
import re
import resource
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from penstock.ir.bundle import MANIFEST, SCHEMA, WEIGHTS, BundleWriter, open_bundle
from penstock.ir.errors import BundleError
from penstock.ir.signature import Entry, TensorSpec, entries_json

ENTRY = Entry(
    "main",
    (TensorSpec("input_ids", "int64", (1, 64), (None, "s")), TensorSpec("x", "float32", (), (), 0.5)),
    (TensorSpec("y", "float32", (1, 64, 8), (None, "s", None)),),
)


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "a": rng.standard_normal((3, 5)).astype(np.float32),
        "mask": rng.random(7) > 0.5,
        "scalar": np.full((), 2.5),
        "empty": np.zeros((0, 4), np.float32),
        "b": rng.integers(0, 9, (16, 16)),
    }


def write(out: Path, model: str = "one") -> Path:
    with BundleWriter(out) as bundle:
        bundle.write_text("module.mlir", "module {}\n")
        bundle.write_json("plan.json", {"arena_bytes": 128})
        bundle.path("cpu/program.c").write_text("int x;\n")
        bundle.write_weights(arrays())
        return bundle.commit(
            tools={"penstock": "0"},
            target="cpu",
            model={"spec": model, "shape": (1, 2)},
            entries=entries_json([ENTRY]),
            backends={"cpu": {}},
        )


def leftovers(out: Path) -> list[str]:
    return [path.name for path in out.parent.iterdir() if path != out]


def test_a_bundle_comes_back_as_written(tmp_path: Path) -> None:
    bundle = open_bundle(write(tmp_path / "b"))
    assert bundle.entries == {"main": ENTRY}
    assert ENTRY.extents == {"s": 64}
    assert bundle.json("plan.json") == {"arena_bytes": 128}
    assert set(bundle.manifest["files"]) == {"module.mlir", "plan.json", "cpu/program.c", WEIGHTS}
    weights = bundle.weights()
    for name, array in arrays().items():
        np.testing.assert_array_equal(weights.arrays[name], array)
        assert weights.arrays[name].dtype == array.dtype


def test_weights_are_mapped_on_cache_lines_and_other_readers_read_them(tmp_path: Path) -> None:
    bundle = open_bundle(write(tmp_path / "b"))
    weights = bundle.weights()
    for array in weights.arrays.values():
        assert array.ctypes.data % 64 == 0 or array.size == 0
        assert not array.flags.writeable
    read = load_file(bundle.file(WEIGHTS))
    for name, array in arrays().items():
        np.testing.assert_array_equal(read[name], array)


def test_an_older_bundle_is_replaced_only_at_commit(tmp_path: Path) -> None:
    out = write(tmp_path / "b")
    with BundleWriter(out) as bundle:
        bundle.write_text("module.mlir", "half, and then the compiler gives up")
    assert open_bundle(out).manifest["model"]["spec"] == "one"
    assert leftovers(out) == []
    write(out, "two")
    assert open_bundle(out).manifest["model"]["spec"] == "two"
    assert leftovers(out) == []


def test_what_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("thesis", "file"):
        with pytest.raises(BundleError, match="in the way"):
            BundleWriter(tmp_path / name)
    assert (tmp_path / "thesis" / "chapter1").read_text() == "precious"


def test_a_full_disk_is_one_clear_error_and_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="space left"), BundleWriter(tmp_path / "b"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_grow_is_one_clear_error(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(BundleError, match="cannot be written"), BundleWriter(tmp_path / "b") as bundle:
            bundle.write_weights({"big": np.zeros(100_000, np.float32)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        BundleWriter(tmp_path / "file" / "b")


def test_leftovers_of_killed_compilations_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".b.999999999.partial").mkdir()
    (tmp_path / ".b.999999999.old").mkdir()
    (tmp_path / ".other.999999999.partial").mkdir()
    out = write(tmp_path / "b")
    assert leftovers(out) == [".other.999999999.partial"]


@pytest.mark.parametrize("name", ["module.mlir", WEIGHTS, "cpu/program.c"])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    out = write(tmp_path / "b")
    raw = bytearray((out / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (out / name).write_bytes(raw)
    with pytest.raises(BundleError, match="corrupt") as caught:
        open_bundle(out)
    assert caught.value.where == str(out / name)


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    out = write(tmp_path / "b")
    (out / "plan.json").unlink()
    with pytest.raises(BundleError, match=r"plan\.json"):
        open_bundle(out)


def edit(out: Path, **changes: object) -> None:
    manifest = json.loads((out / MANIFEST).read_text())
    (out / MANIFEST).write_text(json.dumps({**manifest, **changes}))


@pytest.mark.parametrize(
    ("schema", "said", "accepted"),
    [
        (1, "schema 1, written by penstock 0: older than schema 2", "the model compiled again"),
        (
            SCHEMA + 1,
            f"schema {SCHEMA + 1}, written by penstock 0: newer",
            "a newer penstock, or the model",
        ),
        (0, "schema is 0", "penstock compile"),
        ("2", "schema is '2'", "penstock compile"),
        (2.0, "schema is 2.0", "penstock compile"),
        (True, "schema is True", "penstock compile"),
        (None, "schema is None", "penstock compile"),
    ],
)
def test_another_schema_is_refused(tmp_path: Path, schema: object, said: str, accepted: str) -> None:
    out = write(tmp_path / "b")
    edit(out, schema=schema)
    with pytest.raises(BundleError, match=re.escape(said)) as caught:
        open_bundle(out)
    assert caught.value.where == str(out / MANIFEST)
    assert accepted in (caught.value.accepted or "")


def test_the_schema_is_told_whatever_else_a_later_manifest_holds(tmp_path: Path) -> None:
    """Other keys, other types, another seal: a later penstock may write what it likes."""
    out = write(tmp_path / "b")
    for tools in ([], None, {"penstock": "9.0"}):
        edit(out, schema=SCHEMA + 1, tools=tools, colour="red", files=[])
        with pytest.raises(BundleError, match="newer than"):
            open_bundle(out)


def test_an_edited_manifest_is_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "b")
    edit(out, target="h200")
    with pytest.raises(BundleError, match="seal"):
        open_bundle(out)
    edit(out, colour="red")
    with pytest.raises(BundleError, match="unknown keys colour"):
        open_bundle(out)


def test_what_is_no_bundle_cannot_be_opened(tmp_path: Path) -> None:
    for place, reason in ((tmp_path / "none", "no such directory"), (tmp_path, MANIFEST)):
        with pytest.raises(BundleError, match=reason):
            open_bundle(place)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="corrupt"):
        open_bundle(tmp_path)
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(BundleError, match="no bundle's manifest"):
        open_bundle(tmp_path)


def test_a_truncated_weights_file_is_refused_even_when_its_hash_fits(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "b") as bundle:
        bundle.path(WEIGHTS).write_bytes(b"\xff" * 80)
        out = bundle.commit(tools={}, target="cpu", model={}, entries={}, backends={})
    with pytest.raises(BundleError, match="safetensors"):
        open_bundle(out).weights()


def test_asking_for_a_file_a_bundle_does_not_hold_lists_those_it_does(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no cost\.json.*plan\.json"):
        open_bundle(write(tmp_path / "b")).file("cost.json")
