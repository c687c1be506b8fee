"""A streamed cascade on Hopper: TMA, mbarriers, wgmma from swizzled shared memory, warpgroups with roles.

One warpgroup gives its registers away and only starts copies. The others each keep 64 rows in registers.
Two contractions and a softmax make a tile's work; what runs beside what is FuseMax's interleave (§IV) with
the tensor cores as the 2D array and the CUDA cores as the 1D array:

- within a warpgroup, the next tile's scores and this tile's weighted values are multiplied together, and
  the next softmax begins as soon as the scores are there (two tiles in flight, as SLNV and BQK take turns
  in an epoch);
- between warpgroups, named barriers hand the tensor cores round, so that one's softmax lies under the
  other's products.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.errors import PassError
from ...cpu.kernels.group import Group
from ..blocks.wgmma import wgmma_text
from ..kernel import Argument, Kernel, Launch, TensorMap
from .frame import Signature, blocks, heading, launches, outer_count, outer_lines, sign
from .hopper_roles import LAYOUT, PRODUCTS, consume_text, produce_text
from .live import block_text, has_mask, range_text, whole_text
from .scores import score_text
from .softmax import ELEMENT, finish_text, weigh_text
from .streamed import Read, Streamed, read_streamed

SHARED_LIMIT = 232448
"""Bytes of shared memory a block may have (227 KiB)."""
REGISTERS = 65536
_ATOM = 1024  # bytes after which the swizzle repeats
_COLUMNS = 64  # of 16 bits in a swizzled row
_REGISTERS_OF = {2: (24, 240), 3: (32, 160)}  # the producer's and a consumer's, by consumers


@dataclass(frozen=True)
class Cut:
    """Tile sizes and roles.

    Attributes:
        keys: of a tile.
        consumers: warpgroups that multiply, 64 rows each.
        stages: tiles of keys, and of values, that shared memory holds.
        producer_registers, consumer_registers: per thread, after they changed hands.
    """

    keys: int
    consumers: int = 2
    stages: int = 2
    producer_registers: int = 24
    consumer_registers: int = 240

    @staticmethod
    def of(keys: int, consumers: int = 2) -> Cut:
        """A cut whose warpgroups share all registers."""
        producer, consumer = _REGISTERS_OF[consumers]
        return Cut(keys, consumers, producer_registers=producer, consumer_registers=consumer)

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return 64 * self.consumers

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 128 * (self.consumers + 1)

    def shared_bytes(self, depth: int, width: int) -> int:
        """Shared memory of a block: queries, tiles of keys and values, barriers."""
        deep, wide = (-(-extent // _COLUMNS) * 128 for extent in (depth, width))
        barriers = 8 * (1 + 4 * self.stages)
        return self.rows * deep + self.stages * self.keys * (deep + wide) + barriers

    def check(self, depth: int, width: int) -> None:
        """Hold the cut to what a multiprocessor has.

        Raises:
            PassError: more shared memory or registers than there are.
        """
        launched = min(REGISTERS // self.threads, 255) // 8 * 8  # of a thread, before they change hands
        given = self.producer_registers + self.consumers * self.consumer_registers
        pool = launched * (self.consumers + 1)
        if given > pool:
            raise PassError(f"{128 * given} registers", where="block", accepted=f"at most {128 * pool}")
        if not self.producer_registers <= launched <= self.consumer_registers:
            raise PassError(
                f"{self.producer_registers} and {self.consumer_registers} registers",
                where="block",
                accepted=f"fewer and more than the {launched} that a thread has at launch",
            )
        shared = self.shared_bytes(depth, width)
        if shared > SHARED_LIMIT:
            raise PassError(
                f"{shared} bytes of shared memory", where="block", accepted=f"at most {SHARED_LIMIT}"
            )


def cut_for(cascade: Streamed) -> Cut:
    """Tiles as large as registers allow: scores, weights and sums of a row live in four threads."""
    extent = max(cascade.extents[cascade.depth], cascade.extents[cascade.width])
    if extent > 128:
        return Cut.of(64 if computes(cascade) else 80)
    if computes(cascade):  # what the chain holds at a time needs registers too
        return Cut.of(96 if extent > 64 else 128)
    if has_mask(cascade):  # large tiles are hidden in part
        return Cut.of(128)
    return Cut.of(176) if extent > 64 else Cut.of(128, consumers=3)


def computes(cascade: Streamed) -> bool:
    """Whether a score is more than its product: a tensor is read for it, or a function taken."""
    point = {cascade.product}
    for step in cascade.chain:
        if point & {*step.inputs}:
            point.add(step.output)
    plain = {"id", "to_float", "where"}
    return bool(cascade.extra()) or any(
        step.einsum.map not in plain for step in cascade.chain if step.output in point
    )


def stream_hopper(group: Group, name: str, cut: Cut | None = None) -> tuple[Launch, ...]:
    """Launches that carry out a group on sm_90a.

    Raises:
        PassError: the group has another form, or operands that TMA and wgmma do not take.
    """
    cascade = read_streamed(group)
    signature = sign(cascade)
    depth, width = cascade.extents[cascade.depth], cascade.extents[cascade.width]
    cut = cut or cut_for(cascade)
    cut.check(depth, width)
    maps = _maps(cascade, signature, cut)
    mapped = {read.tensor for read in _operands(cascade)}
    given = tuple(signature.buffer(tensor) for tensor in signature.names if tensor not in mapped)
    arguments: tuple[Argument, ...] = (*maps, *given)
    kernel = Kernel(
        name, _source(cascade, signature, name, cut), "sm_90a",
        (blocks(cascade, cut.rows) * outer_count(cascade), 1, 1), (cut.threads, 1, 1),
        cut.shared_bytes(depth, width), arguments, cascade.texts,
        f"{cut.rows} rows by tiles of {cut.keys}, {cut.consumers} warpgroups of wgmma in turn, one of TMA",
    )  # fmt: skip
    return launches(group, cascade, kernel, signature.names)


def _operands(cascade: Streamed) -> tuple[Read, Read, Read]:
    return cascade.query, cascade.keys, cascade.values


def _maps(cascade: Streamed, signature: Signature, cut: Cut) -> tuple[TensorMap, ...]:
    """Boxes of 64 columns by a block of rows, or a tile of keys."""
    found = []
    counts = (
        ("query", cascade.block, cut.rows),
        ("key", cascade.key, cut.keys),
        ("value", cascade.key, cut.keys),
    )
    for read, (label, rank, count) in zip(_operands(cascade), counts, strict=True):
        axes = [axis for axis, index in enumerate(read.access.index) if rank in index.ranks]
        if len(axes) != 1 or read.access.index[axes[0]].plain != rank:
            raise PassError(f"{rank} is no axis of its own", where=str(read.access))
        box = [1] * len(read.access.index)
        box[axes[0]], box[-1] = count, _COLUMNS
        found.append(TensorMap(f"{label}_map", signature.buffer(read.tensor), tuple(box), 128))
    return tuple(found)


def _source(cascade: Streamed, signature: Signature, name: str, cut: Cut) -> str:
    extents, element = cascade.extents, signature.element
    depth, width = extents[cascade.depth], extents[cascade.width]
    # Where the columns are what lies together, a matrix is whole atoms of 64 (PTX ISA, canonical layouts).
    columns = -(-width // _COLUMNS) * _COLUMNS
    constants = {
        "kRows": extents[cascade.block], "kKeys": extents[cascade.key], "kDepth": depth, "kWidth": width,
        "kColumns": columns,
        "kBlock": cut.rows, "kBlocks": blocks(cascade, cut.rows), "kTile": cut.keys,
        "kStages": cut.stages, "kConsumers": cut.consumers,
    }  # fmt: skip
    extra = {tensor: signature.names[tensor] for tensor in signature.extra}
    lines = [
        *heading(cascade),
        *(f'#include "{header}.cuh"' for header in ("operators", "tma", "wgmma")),
        "",
        f"using Element = {element};",
        *(f"constexpr int {constant} = {value};" for constant, value in constants.items()),
        f"constexpr float kScale = {cascade.factor!r}f * kLog2E;  // of scores in exponents of 2",
        "",
        LAYOUT,
        wgmma_text(cut.keys, element, "shared", transposed=False),
        wgmma_text(columns, element, "registers", transposed=True),
        *score_text(cascade, extra),
        "",
        *range_text(cascade),
        "",
        *whole_text(cascade),
        "",
        weigh_text(cascade, signature),
        PRODUCTS,
        finish_text(cascade, signature),
        produce_text(cascade),
        consume_text(cascade, signature),
        *_kernel(cascade, signature, name, cut),
    ]
    return "\n".join(lines)


def _kernel(cascade: Streamed, signature: Signature, name: str, cut: Cut) -> list[str]:
    ranks = "".join(f"{rank}, " for rank in cascade.outer)
    after = "".join(f", {rank}" for rank in cascade.outer)
    output = cascade.output.tensor
    result = signature.names[output]
    kind = ELEMENT.get(output.element, output.element)
    maps = ", ".join(
        f"const __grid_constant__ CUtensorMap {label}_map" for label in ("query", "key", "value")
    )
    tile = block_text(cascade)
    return [
        f'extern "C" __global__ void __launch_bounds__({cut.threads}, 1)',
        f"{name}({maps}{signature.declared()}, {kind}* __restrict__ {result}) {{",
        f"  extern __shared__ __align__({_ATOM}) u8 shared[];",
        "  const Places at{shared_address(shared)};",
        f"  const int low = ({tile}) * kBlock, high = min(low + kBlock, kRows) - 1;",
        *outer_lines(cascade, "static_cast<int>(blockIdx.x) / kBlocks"),
        "  int first, end;",
        f"  live_tiles<kKeys, kTile>({ranks}low, high, first, end);",
        "  end = opaque(end);  // a loop of one known round would be taken apart, and want more registers",
        "  if (threadIdx.x == 0) {",
        *(f"    tma_prefetch({label}_map);" for label in ("query", "key", "value")),
        "    mbarrier_init(at.query_full(), 1);",
        "    for (int stage = 0; stage < kStages; ++stage) {",
        "      mbarrier_init(at.keys_full(stage), 1);",
        "      mbarrier_init(at.values_full(stage), 1);",
        "      mbarrier_init(at.keys_free(stage), 4 * kConsumers);",
        "      mbarrier_init(at.values_free(stage), 4 * kConsumers);",
        "    }",
        "    fence_mbarrier_init();",
        "  }",
        "  __syncthreads();",
        "",
        "  if (threadIdx.x < 128) {",
        f"    lower_registers<{cut.producer_registers}>();",
        "    if (threadIdx.x == 0 && first < end) {",
        f"      load_query(query_map, at, low{after});",
        f"      load_keys(key_map, at, 0, first{after});",
        "#pragma unroll 1",
        "      for (int tile = first; tile < end; ++tile) {",
        f"        if (tile + 1 < end) load_keys(key_map, at, tile + 1 - first, tile + 1{after});",
        f"        load_values(value_map, at, tile - first, tile{after});",
        "      }",
        "    }",
        "  } else {",
        f"    raise_registers<{cut.consumer_registers}>();",
        "    const int consumer = threadIdx.x / 128 - 1;",
        f"    consume(at, consumer, low + consumer * 64, first, end{after}{signature.passed()}, {result});",
        "  }",
        "}",
        "",
    ]
