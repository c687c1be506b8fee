"""Target files: every shipped one is physically sane, and the loader refuses what it does not understand."""

from __future__ import annotations

import json
import math

import pytest

from penstock.ir import targets
from penstock.ir.errors import TargetError
from penstock.ir.targets import host

MINIMAL = """
schema = 1
name = "toy"
title = "a toy"
source = "this test"
backend = "model"
main_tier = "ram"
[[tier]]
name = "ram"
capacity_bytes = 1024
bandwidth_read_bytes_per_s = 1e9
bandwidth_write_bytes_per_s = 2e9
duplex = "half"
latency_s = 0
energy_read_pj_per_byte = "unpublished"
energy_write_pj_per_byte = 1.5
alignment_bytes = 64
[[unit]]
name = "alu"
shape = [2, 3]
clock_hz = 1e9
ops_per_cycle = { add = { f32 = 1 } }
energy_pj_per_op = "unpublished"
"""

SHIPPED = targets.names()


def test_every_promised_target_is_shipped():
    promised = {"cpu", "h200", "fusemax-cloud", "flat-cloud", "tpu-v4i", "bitmod-28nm", "bitmod-small"}
    promised |= {
        "sn40l-socket",
        "sn40l-node",
        "sn40l-small",
        "bolt-u55c",
        "dgx-a100",
        "dgx-h100",
        "a800-node",
    }
    assert promised <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_file_name_is_target_name(name):
    assert targets.load(name).name == name


@pytest.mark.parametrize("name", SHIPPED)
def test_figures_are_physically_sane(name):
    target = targets.load(name)
    assert target.main.bandwidth_read_bytes_per_s is not None
    for unit in target.unit:
        assert 1e8 <= unit.clock_hz <= 6e9, f"{unit.name}: clock out of the range of silicon"
        for operator, rates in unit.ops_per_cycle.items():
            for dtype, rate in rates.items():
                assert rate <= 16384, f"{unit.name}: {rate} {operator} {dtype} a cycle in one instance"
    for tier in target.tier:
        power_of_two = tier.alignment_bytes & (tier.alignment_bytes - 1) == 0
        assert power_of_two, f"{tier.name}: alignment {tier.alignment_bytes}"
        for energy in (tier.energy_read_pj_per_byte, tier.energy_write_pj_per_byte):
            assert energy is None or 0.01 <= energy <= 1000, f"{tier.name}: {energy} pJ a byte"


@pytest.mark.parametrize("name", SHIPPED)
def test_farther_tiers_are_larger_and_not_faster(name):
    tiers = targets.load(name).tier
    capacities = [tier.capacity_bytes for tier in tiers if tier.capacity_bytes is not None]
    assert capacities == sorted(capacities)
    bandwidths = [t.bandwidth_read_bytes_per_s for t in tiers if t.bandwidth_read_bytes_per_s is not None]
    assert bandwidths == sorted(bandwidths, reverse=True)


@pytest.mark.parametrize("name", SHIPPED)
def test_contraction_is_the_fastest_class_of_every_unit(name):
    for unit in targets.load(name).unit:
        for operator, rates in unit.ops_per_cycle.items():
            for dtype in rates:
                mac = unit.ops_per_cycle.get("mac", {}).get(dtype)
                assert mac is None or rates[dtype] <= mac, f"{unit.name}: {operator} {dtype}"


@pytest.mark.parametrize(
    ("name", "operator", "dtype", "nearest"),
    [
        ("cpu", "mac", "f32", "f32"),
        ("cpu", "cmp", "i1", "i8"),
        ("sn40l-socket", "mac", "f32", "bf16"),
        ("h200", "mac", "f64", "f64"),
        ("h200", "exp", "f64", "f32"),
        ("bitmod-small", "mac", "i8", "i8"),
    ],
)
def test_missing_number_type_is_priced_in_the_nearest_width(name, operator, dtype, nearest):
    assert targets.load(name).nearest_dtype(operator, dtype) == nearest


def test_missing_operator_class_lists_those_performed():
    with pytest.raises(TargetError, match=r"no unit performs exp \(accepted: mac\)"):
        targets.load("bitmod-small").nearest_dtype("exp", "f32")


@pytest.mark.parametrize("name", SHIPPED)
def test_links_are_no_faster_than_the_memories_they_join(name):
    target = targets.load(name)
    for link in target.link:
        for end in (link.source, link.destination):
            bandwidth = target.find_tier(end).bandwidth_read_bytes_per_s
            if bandwidth is not None and link.bandwidth_bytes_per_s is not None:
                assert link.bandwidth_bytes_per_s <= bandwidth


@pytest.mark.parametrize("name", SHIPPED)
def test_json_is_plain_and_finite(name):
    text = json.dumps(targets.load(name).to_json(), allow_nan=False)
    assert json.loads(text)["name"] == name


@pytest.mark.parametrize(
    ("name", "dtype", "published_flops"),
    [
        ("h200", "bf16", 989e12),  # data sheet, dense
        ("h200", "f32", 67e12),  # data sheet
        ("tpu-v4i", "bf16", 138e12),  # Jouppi et al., ISCA 2021, table 1
        ("dgx-a100", "bf16", 8 * 312e12),  # data sheet, dense
        ("dgx-h100", "bf16", 8 * 989e12),  # data sheet, dense
        ("a800-node", "bf16", 8 * 312e12),  # data sheet, dense
        ("sn40l-socket", "bf16", 638e12),  # SN40L, MICRO 2024, table II
        ("fusemax-cloud", "f16", 2 * (65536 + 256) * 940e6),  # FuseMax, MICRO 2024, section VI-A
        ("bitmod-28nm", "bitmod4", 2 * 2 * 1024 * 1e9),  # BitMoD, HPCA 2025: 2 MAC a cycle and PE
    ],
)
def test_peak_matches_the_published_figure(name, dtype, published_flops):
    assert targets.load(name).ops_per_s("mac", dtype) == pytest.approx(published_flops, rel=5e-3)


def test_node_is_eight_sockets():
    node, socket = targets.load("sn40l-node"), targets.load("sn40l-socket")
    for many, one in zip(node.tier, socket.tier, strict=True):
        assert many.capacity_bytes == 8 * (one.capacity_bytes or 0)
    assert node.ops_per_s("mac", "bf16") == pytest.approx(8 * socket.ops_per_s("mac", "bf16"))


def test_user_file_loads_like_a_shipped_one(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    target = targets.load(path)
    assert target.ops_per_s("add", "f32") == 6e9
    assert target.main.energy_read_pj_per_byte is None
    assert target.main.seconds(1e9, 2e9) == pytest.approx(2.0)


def test_full_duplex_memory_overlaps_reads_and_writes():
    target = targets.parse(MINIMAL.replace('"half"', '"full"'), where="toy.toml")
    assert target.main.seconds(1e9, 2e9) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("old", "new", "names_key", "says"),
    [
        ("capacity_bytes = 1024", "capacity_kb = 1", "tier[0].capacity_kb", "did you mean capacity_bytes"),
        ("capacity_bytes = 1024", "", "tier[0].capacity_bytes", "missing"),
        ("capacity_bytes = 1024", "capacity_bytes = 10.5", "tier[0].capacity_bytes", "whole"),
        ("capacity_bytes = 1024", "capacity_bytes = true", "tier[0].capacity_bytes", "not a number"),
        ("capacity_bytes = 1024", 'capacity_bytes = "1 GiB"', "tier[0].capacity_bytes", "not a number"),
        ("= 1e9\nbandwidth", "= -1e9\nbandwidth", "tier[0].bandwidth_read_bytes_per_s", "negative"),
        ("= 1e9\nbandwidth", "= inf\nbandwidth", "tier[0].bandwidth_read_bytes_per_s", "finite"),
        ("= 1e9\nbandwidth", "= nan\nbandwidth", "tier[0].bandwidth_read_bytes_per_s", "finite"),
        ("= 1e9\nbandwidth", "= 0\nbandwidth", "tier[0].bandwidth_read_bytes_per_s", "zero"),
        ('"half"', '"both"', "tier[0].duplex", "half, full"),
        ("shape = [2, 3]", "shape = []", "unit[0].shape", "list of counts"),
        ("add = {", "plus = {", "unit[0].ops_per_cycle", "'plus'"),
        ("f32 = 1", "fp32 = 1", "unit[0].ops_per_cycle", "'fp32'"),
        ('main_tier = "ram"', 'main_tier = "rom"', "main_tier", "accepted: ram"),
        ("schema = 1", "schema = 2", "schema", "schema = 1"),
        ("schema = 1", "schema = ", "toy.toml", "not TOML"),
        ('backend = "model"', 'backend = "gpu"', "backend", "cuda"),
        ("[[tier]]", "[[memory]]", "memory", "accepted"),
    ],
)
def test_bad_file_error_names_file_key_and_what_is_accepted(old, new, names_key, says):
    assert old in MINIMAL
    with pytest.raises(TargetError) as caught:
        targets.parse(MINIMAL.replace(old, new, 1), where="toy.toml")
    message = str(caught.value)
    assert "toy.toml" in message
    assert names_key in message
    assert says in message
    assert caught.value.accepted


def test_two_tiers_of_one_name_are_refused():
    tier = MINIMAL[MINIMAL.index("[[tier]]") : MINIMAL.index("[[unit]]")]
    with pytest.raises(TargetError, match="two are called 'ram'"):
        targets.parse(MINIMAL + tier, where="toy.toml")


TRANSFER = """
[[transfer]]
source = "alu"
destination = "ram"
latency_cycles = 2
latency_cycles_per_row = 1
"""


def test_transfer_latency_grows_with_the_rows():
    target = targets.parse(MINIMAL + TRANSFER, where="toy.toml")
    path = target.find_transfer("alu", "ram")
    assert path is not None
    assert path.cycles(0) == 2
    assert path.cycles(16) == 18
    assert target.find_transfer("ram", "alu") is None


def test_fusemax_drains_a_column_in_as_many_cycles_as_it_has_rows():
    target = targets.load("fusemax-cloud")
    path = target.find_transfer("array-2d", "array-1d")
    assert path is not None
    assert path.cycles(target.find_unit("array-2d").shape[0]) == 256
    registers = target.register_file("array-1d")
    assert registers is not None
    assert registers.name == "register-file-1d"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TRANSFER.replace('"alu"', '"fpu"'), "there is no part 'fpu'"),
        (TRANSFER + TRANSFER, "two go from 'alu' to 'ram'"),
        (TRANSFER.replace("= 2", "= 1.5"), "whole number, zero or more"),
        (TRANSFER.replace("= 2", "= -1"), "negative"),
    ],
)
def test_bad_transfer_is_refused(text, says):
    with pytest.raises(TargetError, match=says):
        targets.parse(MINIMAL + text, where="toy.toml")


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(TargetError, match="fusemax-cloud"):
        targets.load("fusemx")


def test_unreadable_file_is_a_target_error(tmp_path):
    with pytest.raises(TargetError, match="cannot be read"):
        targets.load(tmp_path / "absent.toml")


def test_missing_operation_names_the_dtypes_that_exist():
    with pytest.raises(TargetError, match=r"no unit performs mac in f32.*accepted: bf16"):
        targets.load("sn40l-socket").ops_per_s("mac", "f32")


def test_unpublished_bandwidth_is_an_error_not_a_zero():
    with pytest.raises(TargetError, match="unpublished"):
        targets.load("h200").find_tier("host").seconds(1, 1)


def test_detection_reads_this_machine():
    found = host.detect()
    assert found.cores >= 1
    assert found.isa in host.VECTOR_BITS
    assert json.loads(json.dumps(found.to_json()))["vector_bits"] == host.VECTOR_BITS[found.isa]


def test_specialised_cpu_scales_with_width_cores_and_clock():
    generic = targets.load("cpu")
    machine = host.HostCpu("toy", "avx512", 8, 3e9, 49152, 2 << 20, 32 << 20, 64 << 30)
    target = host.specialise(generic, machine)
    factor = (512 / 128) * 8 * (3e9 / generic.find_unit("core").clock_hz)
    assert target.ops_per_s("mac", "f32") == pytest.approx(generic.ops_per_s("mac", "f32") * factor)
    sizes = {tier.name: tier.capacity_bytes for tier in target.tier}
    assert sizes == {"l1": 8 * 49152, "l2": 8 * (2 << 20), "l3": 32 << 20, "ddr": 64 << 30}


@pytest.mark.parametrize(("isa", "factor"), [("portable", 1), ("avx2", 1), ("avx512", 1), ("avx512bf16", 2)])
def test_products_of_bf16_are_faster_only_where_the_machine_makes_them_in_pairs(isa: str, factor: float):
    machine = host.HostCpu("toy", isa, 2, 3e9, 49152, 2 << 20, 32 << 20, 64 << 30)
    target = host.specialise(targets.load("cpu"), machine)
    assert target.ops_per_s("mac", "bf16") == factor * target.ops_per_s("mac", "f32")


def test_undetected_figures_keep_the_files_values():
    generic = targets.load("cpu")
    target = host.specialise(generic, host.HostCpu("toy", "portable", 1, None, None, None, None, None))
    assert [t.capacity_bytes for t in target.tier] == [t.capacity_bytes for t in generic.tier]
    assert target.ops_per_s("mac", "f32") == generic.ops_per_s("mac", "f32")


def test_the_bandwidth_of_main_memory_is_measured():
    assert 0 < host.measure_bandwidth_bytes_per_s(1, repeats=1) < math.inf


PARTS = """
[[component]]
name = "adder"
unit = "alu"
area_um2 = 12.5
[[buffer]]
name = "registers"
capacity_bytes = 8
instances = 6
banks = 1
[[register]]
unit = "alu"
buffer = "registers"
area_um2 = 40
energy_read_pj = 0.5
energy_write_pj = "unpublished"
"""


def test_components_and_registers_are_read():
    target = targets.parse(MINIMAL + PARTS, where="toy.toml")
    assert [(part.name, part.unit, part.area_um2) for part in target.component] == [("adder", "alu", 12.5)]
    registers = target.registers_of("alu")
    assert registers is not None
    assert (registers.energy_read_pj, registers.energy_write_pj) == (0.5, None)
    assert target.registers_of("ram") is None


@pytest.mark.parametrize("line", ['unit = "alu"', 'buffer = "registers"'])
def test_components_and_registers_of_nothing_are_refused(line):
    with pytest.raises(TargetError, match=r"there is no (unit|buffer) 'gone'"):
        targets.parse(MINIMAL + PARTS.replace(line, line.split(" = ")[0] + ' = "gone"'), where="toy.toml")


@pytest.mark.parametrize("name", ["fusemax-cloud", "flat-cloud"])
def test_register_energy_grows_with_the_root_of_the_entries(name):
    target = targets.load(name)
    for registers in target.register:
        entries = next(b.capacity_bytes for b in target.buffer if b.name == registers.buffer) / 2
        assert registers.area_um2 == pytest.approx(4256 * entries / 32)
        assert registers.energy_read_pj == pytest.approx(0.65 * math.sqrt(entries / 32), rel=1e-3)
        assert registers.energy_write_pj == pytest.approx(0.57 * math.sqrt(entries / 32), rel=1e-3)


DATAPATH = """
[[datapath]]
unit = "alu"
lanes = 4
weights = "serial"
energy_pj_per_cycle = 0.84
"""


def test_a_datapath_says_how_an_array_multiplies():
    (path,) = targets.parse(MINIMAL + DATAPATH, where="toy").datapath
    assert (path.unit, path.lanes, path.weights, path.energy_pj_per_cycle) == ("alu", 4, "serial", 0.84)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "alu"', 'unit = "fpu"', r"no unit 'fpu'.*accepted: alu"),
        ("lanes = 4", "lanes = 0", "lanes"),
        ('"serial"', '"bitwise"', "one of parallel, serial"),
        ("lanes = 4\n", "", "missing key"),
    ],
)
def test_a_datapath_that_makes_no_sense_is_refused(old, new, message):
    with pytest.raises(TargetError, match=message):
        targets.parse(MINIMAL + DATAPATH.replace(old, new), where="toy")
