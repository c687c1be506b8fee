"""Weight images of other models of a compiled model's shape: the same launches run on each.

As the CPU's: a launch knows every weight by its offset from one address.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...ir.errors import InputError
from ...ir.mlir import ir
from ...ir.weights import write_weights
from .emit import emit
from .kernel import Arch
from .weights import store


class Images:
    """Writes images for a placed module.

    Args:
        module: placed, as the bundle of the program holds it.
        arch: what it was compiled for.
    """

    def __init__(self, module: ir.Module, arch: Arch) -> None:
        self.module, self.emitted = module, emit(module, arch)
        self.places: Mapping[tuple[str, str], int] | None = None

    def write(self, path: Path, params: Mapping[str, np.ndarray]) -> None:
        """Write one image.

        Args:
            path: the file.
            params: values of the parameters, by name, rounded as the module has them.

        Raises:
            InputError: parameters that do not fit, or that give another order of arrays.
            OSError: the file cannot be written.
        """
        stored = store(self.module, self.emitted, params)
        if self.places is None:
            self.places = stored.places
        if stored.places != self.places:
            raise InputError("the parameters are stored in other places than the program's", where=str(path))
        write_weights(path, stored.arrays)
