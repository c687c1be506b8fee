"""Loads and stores of vectors along one rank: contiguous, broadcast, strided, masked, guarded."""

from __future__ import annotations

from .frame import Guard, Stream
from .lanes import Lanes, Vec
from .text import Linear

Places = dict[str, Linear]


def spread(lanes: Lanes, base: Linear, coeff: int, element: str) -> Vec:
    """base + coeff·lane in every lane, as `element` (``index`` or ``i32``)."""
    writer = lanes.writer
    scalar = writer.index(base)
    if element != "index":
        scalar = writer.pure("short", f"arith.index_cast {scalar} : index to {element}")
    kind = lanes.kind(element)
    vector = writer.pure("all", f"vector.broadcast {scalar} : {element} to {kind}")
    if coeff == 0 or lanes.count == 1:
        return Vec(vector, element)
    steps = ", ".join(str(coeff * lane) for lane in range(lanes.count))
    ramp = writer.constant(f"dense<[{steps}]> : {kind}", "ramp")
    return Vec(writer.pure("ramped", f"arith.addi {vector}, {ramp} : {kind}"), element)


def head_mask(lanes: Lanes, count: int) -> Vec:
    """The mask of the first `count` lanes."""
    bits = ", ".join("true" if lane < count else "false" for lane in range(lanes.count))
    return Vec(lanes.writer.constant(f"dense<[{bits}]> : {lanes.kind('i1')}", f"first{count}"), "i1")


def presence(lanes: Lanes, guard: Guard, places: Places, along: str | None) -> tuple[str | None, Vec]:
    """Whether the guarded index is inside: the scalar condition when lanes agree, and the lane mask."""
    writer = lanes.writer
    base, coeff = guard.base, 0
    for rank, factor in guard.coeffs:
        base = base + places[rank] * factor
        coeff += factor if rank == along else 0
    if coeff == 0 or lanes.count == 1:
        place = writer.index(base)
        condition = writer.pure("inside", f"arith.cmpi ult, {place}, {writer.number(guard.size)} : index")
        kind = lanes.kind("i1")
        return condition, Vec(writer.pure("insides", f"vector.broadcast {condition} : i1 to {kind}"), "i1")
    place = spread(lanes, base, coeff, "index")
    size = writer.constant(f"dense<{guard.size}> : {lanes.kind('index')}", "size")
    text = f"arith.cmpi ult, {place.name}, {size} : {lanes.kind('index')}"
    return None, Vec(writer.pure("insides", text), "i1")


def _from_memory(lanes: Lanes, name: str, stream: Stream) -> Vec:
    if stream.element != "i1":
        return Vec(name, stream.element)
    zero = lanes.writer.constant(f"dense<0> : {lanes.kind('i8')}", "no")
    text = f"arith.cmpi ne, {name}, {zero} : {lanes.kind('i8')}"
    return Vec(lanes.writer.op("bit", text), "i1")


def _widened_broadcast(lanes: Lanes, scalar: str, hint: str) -> Vec:
    """A bf16 as f32 in every lane, converted before it is spread."""
    writer = lanes.writer
    word = writer.op("word", f"arith.extui {scalar} : i16 to i32")
    shift = writer.constant("16 : i32", "sixteen")
    upper = writer.op("upper", f"arith.shli {word}, {shift} : i32")
    single = writer.op("single", f"arith.bitcast {upper} : i32 to f32")
    return Vec(writer.op(hint, f"vector.broadcast {single} : f32 to {lanes.kind('f32')}"), "f32")


def load(lanes: Lanes, stream: Stream, places: Places, along: str | None, mask: Vec | None) -> Vec:
    """A vector along a rank at these coordinates; masked lanes read nothing and hold 0.

    A bf16 that is the same in every lane comes as f32. `places` gives the coordinate of lane 0 for the rank
    `along`.
    """
    writer, buffer = lanes.writer, stream.buffer
    coeff = stream.coeffs.get(along, 0) if along else 0
    kind, address = lanes.kind(buffer.element), stream.at(places)
    hint = f"{buffer.name[1:]}_v"
    if coeff == 0 and not any(rank == along for guard in stream.guards for rank, _ in guard.coeffs):
        place = writer.index(address)
        for guard in stream.guards:
            condition, _ = presence(lanes, guard, places, along)
            if condition is not None:
                text = f"arith.select {condition}, {place}, {writer.number(0)} : index"
                place = writer.pure("safe", text)
        scalar = writer.op(f"{hint}s", f"memref.load {buffer.name}[{place}] : {buffer.kind}")
        if stream.element == "bf16":
            return _widened_broadcast(lanes, scalar, hint)
        name = writer.op(hint, f"vector.broadcast {scalar} : {buffer.element} to {kind}")
        return _from_memory(lanes, name, stream)
    place = writer.index(address)
    if coeff == 1 and mask is None:
        name = writer.op(hint, f"vector.load {buffer.name}[{place}] : {buffer.kind}, {kind}")
        return _from_memory(lanes, name, stream)
    zero = "0" if buffer.element.startswith("i") else "0.0"
    empty = writer.constant(f"dense<{zero}> : {kind}", "empty")
    chosen = mask or head_mask(lanes, lanes.count)
    if coeff == 1:
        source = f"{buffer.name}[{place}], {chosen.name}, {empty}"
        kinds = f"{buffer.kind}, {lanes.kind('i1')}, {kind} into {kind}"
        name = writer.op(hint, f"vector.maskedload {source} : {kinds}")
    else:
        steps = ", ".join(str(coeff * lane) for lane in range(lanes.count))
        ramp = writer.constant(f"dense<[{steps}]> : {lanes.kind('i32')}", "ramp")
        source = f"{buffer.name}[{place}] [{ramp}], {chosen.name}, {empty}"
        kinds = f"{buffer.kind}, {lanes.kind('i32')}, {lanes.kind('i1')}, {kind} into {kind}"
        name = writer.op(hint, f"vector.gather {source} : {kinds}")
    return _from_memory(lanes, name, stream)


def store(
    lanes: Lanes, stream: Stream, places: Places, along: str | None, value: Vec, mask: Vec | None
) -> None:
    """Write a vector along a rank; masked lanes are left as they were."""
    writer, buffer = lanes.writer, stream.buffer
    coeff = stream.coeffs.get(along, 0) if along else 1
    name = value.name
    if value.element == "i1":
        name = writer.op("byte", f"arith.extui {name} : {lanes.kind('i1')} to {lanes.kind('i8')}")
    kind, place = lanes.kind(buffer.element), writer.index(stream.at(places))
    if lanes.count == 1 or (coeff == 1 and mask is None):
        writer.line(f"vector.store {name}, {buffer.name}[{place}] : {buffer.kind}, {kind}")
        return
    chosen = mask or head_mask(lanes, lanes.count)
    if coeff == 1:
        target = f"{buffer.name}[{place}], {chosen.name}, {name}"
        writer.line(f"vector.maskedstore {target} : {buffer.kind}, {lanes.kind('i1')}, {kind}")
        return
    steps = ", ".join(str(coeff * lane) for lane in range(lanes.count))
    ramp = writer.constant(f"dense<[{steps}]> : {lanes.kind('i32')}", "ramp")
    target = f"{buffer.name}[{place}] [{ramp}], {chosen.name}, {name}"
    kinds = f"{buffer.kind}, {lanes.kind('i32')}, {lanes.kind('i1')}, {kind}"
    writer.line(f"vector.scatter {target} : {kinds}")


def coordinate(lanes: Lanes, base: Linear, coeffs: dict[str, int], places: Places, along: str | None) -> Vec:
    """The value of an affine expression of ranks in every lane, as i32."""
    total = base
    for rank, coeff in coeffs.items():
        total = total + places[rank] * coeff
    return spread(lanes, total, coeffs.get(along, 0) if along else 0, "i32")
