"""Weight images of other models of a compiled model's shape: the same program runs on each.

A program knows every weight by its offset from one address, so a file with the same arrays in the same order
and layouts is all that another model of the shape takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...ir.errors import InputError
from ...ir.mlir import ir
from ...ir.quantized import Dequantized
from ...ir.weights import offsets_of, write_weights
from .groups import find_groups
from .isa import Isa, host_isa
from .layouts import demands, store_weights


class Images:
    """Writes images for a placed module.

    Args:
        module: placed, as the bundle of the program holds it.
        isa: what it was compiled for; the host's when None.
    """

    def __init__(self, module: ir.Module, isa: Isa | None = None) -> None:
        self.module = module
        groups = find_groups(module, isa or host_isa())
        self.wanted = demands(module, groups.kernels, groups.used)
        self.places: dict[str, int] | None = None

    def write(self, path: Path, params: Mapping[str, np.ndarray]) -> None:
        """Write one image.

        Args:
            path: the file.
            params: values of the parameters, by name.

        Raises:
            InputError: parameters that do not fit, or that give another order of arrays.
            OSError: the file cannot be written.
        """
        stored = store_weights(self.module, self.wanted, Dequantized(self.module, params), params)
        places = offsets_of(stored.arrays)
        if self.places is None:
            self.places = places
        if places != self.places:
            raise InputError("the parameters are stored in other places than the program's", where=str(path))
        write_weights(path, stored.arrays)
