"""Row-major reshapes as merges and splits of dimensions: tensor.collapse_shape and tensor.expand_shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..ir.build import tensor_type
from ..ir.mlir import ir
from .tensor import customary, distinct

Groups = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@lru_cache(maxsize=4096)
def grouping(source: tuple[int, ...], target: tuple[int, ...]) -> Groups:
    """The finest groups of dimensions with equal products: (places in source, places in target).

    A group with several places on both sides is merged to one dimension, then split.
    """
    groups: list[tuple[list[int], list[int]]] = []
    left = right = 0
    while left < len(source) and right < len(target):
        here, there = [left], [right]
        have, want = source[left], target[right]
        left, right = left + 1, right + 1
        while have != want:
            if have < want:
                have *= source[left]
                here.append(left)
                left += 1
            else:
                want *= target[right]
                there.append(right)
                right += 1
        groups.append((here, there))
    if groups:  # what is left over has extent 1
        groups[-1][0].extend(range(left, len(source)))
        groups[-1][1].extend(range(right, len(target)))
    return tuple((tuple(here), tuple(there)) for here, there in groups)


def split(
    value: ir.Value,
    operation: str,
    shape: Sequence[int],
    pairs: Sequence[Sequence[int]],
    element: str,
    location: ir.Location | None,
) -> ir.Value:
    """One ``tensor.collapse_shape`` or ``tensor.expand_shape``."""
    index = ir.IntegerType.get_signless(64)
    nested = [ir.ArrayAttr.get([ir.IntegerAttr.get(index, place) for place in pair]) for pair in pairs]
    attributes: dict[str, ir.Attribute] = {"reassociation": ir.ArrayAttr.get(nested)}
    if operation == "tensor.expand_shape":
        attributes["static_output_shape"] = ir.DenseI64ArrayAttr.get(list(shape))
    made = ir.Operation.create(operation, [tensor_type(shape, element)], [value], attributes, loc=location)
    return made.results[0]


def rank_hints(source: tuple[int, ...], target: tuple[int, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the new dimensions: kept where a dimension is kept, ``h e`` and ``d`` for split and merge."""
    hints = list(customary(len(target)))
    for here, there in grouping(source, target):
        big = [place for place in here if source[place] != 1] or list(here[:1])
        wide = [place for place in there if target[place] != 1] or list(there[:1])
        if len(big) == 1 and len(wide) == 1:
            fresh_names = [names[big[0]]]
        elif len(wide) == 1:
            fresh_names = ["d"]
        elif len(wide) == 2 and wide[-1] == len(target) - 1:
            fresh_names = ["h", "e"]
        else:
            base = names[big[0]].rstrip("0123456789") or "i"
            fresh_names = [f"{base}{len(wide) - 1 - place}" for place in range(len(wide))]
        for place in there:
            hints[place] = "u"
        for place, name in zip(wide, fresh_names, strict=True):
            hints[place] = name
    return distinct(hints)
