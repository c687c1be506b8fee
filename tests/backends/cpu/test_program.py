"""Programs: layers, views and upstream functions run as compiled C and give what NumPy gives."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penstock.backends.cpu.build import build
from penstock.backends.cpu.isa import isa_named
from penstock.backends.cpu.loader import PROFILE, Program, Step, load
from penstock.ir.bundle import WEIGHTS, BundleWriter
from penstock.ir.entries import read_entries
from penstock.ir.errors import BundleError, InputError, ToolMissing
from penstock.ir.module import parse_module, print_module
from penstock.ir.signature import entries_json
from penstock.passes.place import Place

# Two extents of one model: rows of a table are looked up, twice a layer is applied, and besides the answer
# come a mask, the answer as another shape, and an input handed through.
MODEL = """
func.func private @lookup{n}(%ids: tensor<{n}xi64>, %table: tensor<10x8xf32>) -> tensor<{n}x8xf32>
    attributes {{penstock.upstream}} {{
  %e = tensor.empty() : tensor<{n}x8xf32>
  %0 = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%ids : tensor<{n}xi64>) outs(%e : tensor<{n}x8xf32>) {{
  ^bb0(%id: i64, %out: f32):
    %row = arith.index_cast %id : i64 to index
    %column = linalg.index 1 : index
    %value = tensor.extract %table[%row, %column] : tensor<10x8xf32>
    linalg.yield %value : f32
  }} -> tensor<{n}x8xf32>
  return %0 : tensor<{n}x8xf32>
}}
func.func private @matmul{n}(%x: tensor<{n}x8xf32>, %w: tensor<8x8xf32>) -> tensor<{n}x8xf32>
    attributes {{penstock.upstream}} {{
  %e = tensor.empty() : tensor<{n}x8xf32>
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<{n}x8xf32>) -> tensor<{n}x8xf32>
  %0 = linalg.matmul ins(%x, %w : tensor<{n}x8xf32>, tensor<8x8xf32>) outs(%f : tensor<{n}x8xf32>)
      -> tensor<{n}x8xf32>
  return %0 : tensor<{n}x8xf32>
}}
func.func private @add{n}(%x: tensor<{n}x8xf32>, %y: tensor<{n}x8xf32>) -> tensor<{n}x8xf32>
    attributes {{penstock.upstream}} {{
  %0 = arith.addf %x, %y : tensor<{n}x8xf32>
  return %0 : tensor<{n}x8xf32>
}}
func.func private @positive{n}(%x: tensor<{n}x8xf32>) -> tensor<{n}x8xi1> attributes {{penstock.upstream}} {{
  %zero = arith.constant dense<0.0> : tensor<{n}x8xf32>
  %0 = arith.cmpf ogt, %x, %zero : tensor<{n}x8xf32>
  return %0 : tensor<{n}x8xi1>
}}
func.func private @layer{n}(%x: tensor<{n}x8xf32>, %w: tensor<64xf32>)
    -> (tensor<{n}x8xf32>, tensor<64xf32>) {{
  %m = tensor.expand_shape %w [[0, 1]] output_shape [8, 8] : tensor<64xf32> into tensor<8x8xf32>
  %y = func.call @matmul{n}(%x, %m) {{penstock.node = "linear"}}
      : (tensor<{n}x8xf32>, tensor<8x8xf32>) -> tensor<{n}x8xf32>
  %z = func.call @add{n}(%x, %y) : (tensor<{n}x8xf32>, tensor<{n}x8xf32>) -> tensor<{n}x8xf32>
  return %z, %w : tensor<{n}x8xf32>, tensor<64xf32>
}}
func.func @main_{n}(
    %ids: tensor<{n}xi64> {{penstock.name = "ids", penstock.kind = "input", penstock.ranks = ["s"]}},
    %table: tensor<10x8xf32> {{penstock.name = "table", penstock.kind = "param"}},
    %bias: tensor<{n}x8xf32> {{penstock.name = "bias", penstock.kind = "input", penstock.pad = 7.5 : f32,
                              penstock.ranks = ["s", ""]}},
    %w0: tensor<64xf32> {{penstock.name = "layer.0.weight", penstock.kind = "param"}},
    %w1: tensor<64xf32> {{penstock.name = "layer.1.weight", penstock.kind = "param"}})
    -> (tensor<{n}x8xf32> {{penstock.name = "y", penstock.ranks = ["s", ""]}},
        tensor<{n}x8xi1> {{penstock.name = "positive", penstock.ranks = ["s", ""]}},
        tensor<{n}x4x2xf32> {{penstock.name = "again", penstock.ranks = ["s", "", ""]}},
        tensor<{n}x8xf32> {{penstock.name = "bias_out", penstock.ranks = ["s", ""]}},
        tensor<64xf32> {{penstock.name = "w"}}) {{
  %x = func.call @lookup{n}(%ids, %table) : (tensor<{n}xi64>, tensor<10x8xf32>) -> tensor<{n}x8xf32>
  %a, %u = func.call @layer{n}(%x, %w0) {{penstock.instance = "layer.0"}}
      : (tensor<{n}x8xf32>, tensor<64xf32>) -> (tensor<{n}x8xf32>, tensor<64xf32>)
  %b, %v = func.call @layer{n}(%a, %w1) {{penstock.instance = "layer.1"}}
      : (tensor<{n}x8xf32>, tensor<64xf32>) -> (tensor<{n}x8xf32>, tensor<64xf32>)
  %y = func.call @add{n}(%b, %bias) : (tensor<{n}x8xf32>, tensor<{n}x8xf32>) -> tensor<{n}x8xf32>
  %p = func.call @positive{n}(%y) : (tensor<{n}x8xf32>) -> tensor<{n}x8xi1>
  %again = tensor.expand_shape %y [[0], [1, 2]] output_shape [{n}, 4, 2]
      : tensor<{n}x8xf32> into tensor<{n}x4x2xf32>
  return %y, %p, %again, %bias, %v
      : tensor<{n}x8xf32>, tensor<{n}x8xi1>, tensor<{n}x4x2xf32>, tensor<{n}x8xf32>, tensor<64xf32>
}}
"""


def parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    names = {"table": (10, 8), "layer.0.weight": (64,), "layer.1.weight": (64,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


def expected(ids: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    params = parameters()
    x = params["table"][ids].astype(np.float64)
    for number in (0, 1):
        x = x + x @ params[f"layer.{number}.weight"].reshape(8, 8)
    y = x + bias
    again = y.reshape(len(ids), 4, 2)
    return {"y": y, "positive": y > 0, "again": again, "bias_out": bias, "w": params["layer.1.weight"]}


def compile_model(out: Path) -> Path:
    module = Place(time_limit_s=0.2).run(parse_module(MODEL.format(n=4) + MODEL.format(n=16)))
    with BundleWriter(out) as writer:
        writer.write_text("module.mlir", print_module(module))
        facts = build(module, parameters(), writer, isa=isa_named("portable"), title="a test")
        entries = entries_json(read_entries(module))
        return writer.commit(tools={}, target="cpu", model={}, entries=entries, backends={"cpu": facts})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_model(tmp_path_factory.mktemp("program") / "bundle")


@pytest.fixture(scope="module")
def program(path: Path) -> Program:
    return load(path)


def case(length: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"ids": rng.integers(0, 10, length), "bias": rng.standard_normal((length, 8)).astype(np.float32)}


def check(outputs: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> None:
    wanted = expected(**inputs)
    assert list(outputs) == list(wanted)
    for name, array in wanted.items():
        assert outputs[name].shape == array.shape, name
        np.testing.assert_allclose(outputs[name], array, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 16])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_length_and_thread_count_gives_the_models_answer(
    program: Program, length: int, threads: int
) -> None:
    inputs = case(length)
    check(program.run(inputs, threads=threads), inputs)


def test_the_smallest_entry_that_fits_is_taken(program: Program) -> None:
    seen: list[str] = []
    for length in (4, 5):
        program.run(case(length), probe=lambda step, _: seen.append(step.function))
    assert [name for name in dict.fromkeys(seen) if name.startswith("main")] == ["main_4", "main_16"]
    check(program.run(case(2), entry="main_16"), case(2))


def test_runs_do_not_disturb_each_other(program: Program) -> None:
    first = program.run(case(4, 1))
    kept = {name: array.copy() for name, array in first.items()}
    for seed in range(20):
        check(program.run(case(3 + seed % 13, seed), threads=2), case(3 + seed % 13, seed))
    for name, array in kept.items():
        np.testing.assert_array_equal(first[name], array)


def test_callers_on_several_threads_are_served_one_by_one(program: Program) -> None:
    errors: list[BaseException] = []

    def caller(seed: int) -> None:
        try:
            for _ in range(50):
                check(program.run(case(7, seed), threads=2), case(7, seed))
        except AssertionError as error:
            errors.append(error)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_inputs_of_any_memory_layout_are_taken(program: Program) -> None:
    inputs = case(5)
    odd = {"ids": inputs["ids"].astype(np.int32), "bias": np.asfortranarray(inputs["bias"])}
    check(program.run(odd), inputs)
    check(program.run({"ids": inputs["ids"].tolist(), "bias": inputs["bias"]}), inputs)


def test_a_probe_sees_every_step_with_its_layer(program: Program) -> None:
    seen: list[tuple[Step, np.ndarray]] = []
    inputs = case(4)
    program.run(inputs, threads=2, probe=lambda step, arrays: seen.append((step, arrays[0].copy())))
    assert [step.instance for step, _ in seen] == [(), *[("layer.0",)] * 2, *[("layer.1",)] * 2, (), ()]
    linear = [array for step, array in seen if step.nodes == ("linear",)]
    x = parameters()["table"][inputs["ids"]]
    np.testing.assert_allclose(
        linear[0], x @ parameters()["layer.0.weight"].reshape(8, 8), rtol=1e-5, atol=1e-5
    )
    assert len(linear) == 2


def test_an_error_in_a_probe_reaches_the_caller_and_the_next_run_is_sound(program: Program) -> None:
    def probe(step: Step, arrays: list[np.ndarray]) -> None:
        raise LookupError(step.name)

    with pytest.raises(LookupError, match="lookup4"):
        program.run(case(4), probe=probe)
    check(program.run(case(4)), case(4))


def test_a_profile_has_a_row_per_step(program: Program) -> None:
    outputs = program.run(case(4), threads=2, profile=True)
    rows = outputs.pop(PROFILE)
    check(outputs, case(4))
    assert [row["step"] for row in rows] == ["lookup4", *["matmul4", "add4"] * 2, "add4", "positive4"]
    assert [row["instance"] for row in rows][1:5] == ["layer.0", "layer.0", "layer.1", "layer.1"]
    assert all(0 <= row["ms"] < 1000 for row in rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda given: given.pop("bias"), "no input bias"),
        (lambda given: given.update(mask=1), "unknown input mask"),
        (lambda given: given.update(ids=np.zeros(5)), "ids is float64, not int64"),
        (lambda given: given.update(ids=np.zeros((5, 1), np.int64)), r"shape \[5, 1\], 1 axes are needed"),
        (lambda given: given.update(ids=np.zeros(17, np.int64)), r"axis 0 \(s\) may be 1 to 16"),
        (lambda given: given.update(bias=np.zeros((5, 9), np.float32)), "axis 1 must be 8"),
        (lambda given: given.update(bias=np.zeros((6, 8), np.float32)), "rank s is 5"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_and_what_fits_is_listed(
    program: Program, change: Callable[[dict[str, object]], object], reason: str
) -> None:
    given: dict[str, object] = dict(case(5))
    change(given)
    with pytest.raises(InputError, match=reason) as caught:
        program.run(given)
    assert caught.value.accepted is not None
    assert "ids: int64[s≤16], bias: float32[s≤16, 8]" in caught.value.accepted


def test_inputs_without_names_are_refused(program: Program) -> None:
    with pytest.raises(InputError, match=r"inputs as ndarray.*accepted: arrays by name: "):
        program.run(np.zeros(3))  # pyright: ignore[reportArgumentType]


def test_a_look_up_out_of_range_stays_inside_the_table(program: Program) -> None:
    wild = {**case(4), "ids": np.array([0, 10, -1, 2**40])}
    tame = {**case(4), "ids": np.array([0, 9, 0, 9])}
    np.testing.assert_array_equal(program.run(wild)["y"], program.run(tame)["y"])


def test_unknown_entries_and_thread_counts_are_refused(program: Program) -> None:
    with pytest.raises(InputError, match="no entry 'other'"):
        program.run(case(4), entry="other")
    with pytest.raises(InputError, match="0 threads"):
        program.run(case(4), threads=0)


def test_the_same_bundle_is_loaded_once_and_a_new_one_of_the_same_name_anew(tmp_path: Path) -> None:
    out = compile_model(tmp_path / "b")
    first = load(out)
    assert load(out) is first
    compile_model(out)
    check(load(out).run(case(9)), case(9))
    check(first.run(case(9)), case(9))


def test_a_fresh_process_runs_a_bundle_without_torch_or_mlir(path: Path) -> None:
    code = f"""
import sys
from penstock.backends.cpu.loader import load
import numpy as np
out = load({str(path)!r}).run({{"ids": [1, 2, 3], "bias": np.zeros((3, 8), np.float32)}})
assert out["y"].shape == (3, 8)
print([name for name in sys.modules if name.partition(".")[0] in ("torch", "torch_mlir", "penstock_mlir")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_sources_in_a_bundle_build_the_library_again(path: Path, tmp_path: Path) -> None:
    for source in (path / "cpu").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    library = next(tmp_path.glob("program-*.so"))
    library.unlink()
    subprocess.run(["sh", "build.sh"], cwd=tmp_path, check=True)
    assert library.exists()


CALLER = """
#include <stdio.h>
#include <stdlib.h>
#include "program.h"

int main(int count, char **path) {
    FILE *file = fopen(path[count - 1], "rb");
    static _Alignas(64) char weights[65536], arena[65536], memory[5][4096];
    size_t size = fread(weights, 1, sizeof weights, file);
    uint64_t header = *(uint64_t *)weights;
    int64_t *ids = (int64_t *)memory[0];
    for (int i = 0; i < 4; i++) ids[i] = i;
    static _Alignas(64) float bias[32];
    const void *inputs[] = {ids, bias};
    void *outputs[] = {aligned_alloc(64, 128), memory[1], memory[2], memory[3], memory[4]};
    if (size < 8 || penstock_arena_bytes_main_4(2) > (int64_t)sizeof arena) return 2;
    int status = penstock_entry_main_4(inputs, outputs, weights + 8 + header, arena, 2);
    for (int i = 0; i < 32; i++) printf("%.9g\\n", ((float *)outputs[0])[i]);
    return status;
}
"""


def test_a_program_in_c_can_call_it(path: Path, program: Program, tmp_path: Path) -> None:
    (tmp_path / "caller.c").write_text(CALLER)
    library = next((path / "cpu").glob("program-*.so"))
    flags = ["-std=c11", "-Wall", "-Werror", f"-I{path / 'cpu'}", f"-Wl,-rpath,{path / 'cpu'}"]
    subprocess.run(["cc", *flags, tmp_path / "caller.c", library, "-o", tmp_path / "caller"], check=True)
    done = subprocess.run([tmp_path / "caller", path / WEIGHTS], capture_output=True, text=True, check=True)
    given = {"ids": np.arange(4), "bias": np.zeros((4, 8), np.float32)}
    found = np.array(done.stdout.split(), np.float32).reshape(4, 8)
    np.testing.assert_array_equal(found, program.run(given, entry="main_4")["y"])


def test_a_forked_child_can_run_too(path: Path) -> None:
    code = f"""
import os, numpy as np
from penstock.backends.cpu.loader import load
program = load({str(path)!r})
given = {{"ids": [1, 2, 3], "bias": np.zeros((3, 8), np.float32)}}
before = program.run(given, threads=2)["y"]
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(program.run(given, threads=2)["y"], before) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_compiler_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt install gcc"):
        compile_model(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_missing_parameters_are_named(tmp_path: Path) -> None:
    module = Place(time_limit_s=0.2).run(parse_module(MODEL.format(n=4)))
    wrong = {**parameters(), "table": np.zeros((3, 8), np.float32)}
    with BundleWriter(tmp_path / "b") as writer:
        with pytest.raises(InputError, match=r"table: the parameter is float32\(3, 8\)"):
            build(module, wrong, writer)
        with pytest.raises(InputError, match="no value"):
            build(module, {}, writer)


def test_a_bundle_of_another_backend_is_refused(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "b") as writer:
        out = writer.commit(tools={}, target="h200", model={}, entries={}, backends={})
    with pytest.raises(BundleError, match="no CPU code"):
        load(out)
