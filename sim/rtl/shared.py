"""Modules that a simulation makes code for once, however many instances there are.

Verilator writes a module's code again for every instance; of a mesh of nodes that is a hundred megabytes of
C++. A shared module is made a library on its own, a variant for each set of parameters, and the design gets
in its place a module with the same ports that calls it. Waveforms end at its ports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...ir.errors import InputError

_HEADER = r"^module {name}\b.*?^\);\n"


@dataclass(frozen=True)
class Shared:
    """A module to share.

    Attributes:
        module: its name; its file is ``{module}.sv``.
        variants: parameters of each kind of instance; those left out are the defaults.
    """

    module: str
    variants: tuple[Mapping[str, int], ...] = field(default=({},))

    def library(self, number: int) -> str:
        """Name of a variant's library."""
        return f"{self.module}_variant{number}"

    def stand_in(self, source: str) -> str:
        """A module with the header of the source, that holds the variant its parameters ask for.

        Raises:
            InputError: the source has no such module.
        """
        header = re.search(_HEADER.format(name=self.module), source, re.S | re.M)
        if header is None:
            raise InputError(f"no header of module {self.module}", where=f"{self.module}.sv")
        lines = []
        for number, parameters in enumerate(self.variants):
            asked = " && ".join(f"{name} == {value}" for name, value in parameters.items()) or "1"
            lines.append(f"  {'end else ' if number else ''}if ({asked}) begin : gen_variant{number}")
            lines.append(f"    {self.library(number)} i_variant (.*);")
        lines += [
            "  end else begin : gen_no_variant",
            f'    $error("{self.module}: no such variant");',
            "  end",
        ]
        return "\n".join([header.group(0), *lines, "", "endmodule", ""])


def share(
    shared: Sequence[Shared],
    sources: Sequence[Path],
    work: Path,
    verilate: Callable[[Sequence[str]], None],
    flags: Sequence[str],
) -> tuple[list[Path], list[Path]]:
    """Make libraries' C++, and the sources of the design without what is in them.

    Args:
        shared: which modules.
        sources: of the design, with theirs.
        work: an empty folder.
        verilate: runs Verilator with some arguments.
        flags: for every run.

    Returns:
        Sources for the design, and the folders with the libraries' C++.
    """
    own = {each.module: next(path for path in sources if path.name == f"{each.module}.sv") for each in shared}
    rest = [path for path in sources if path not in own.values()]
    folders = []
    for each in shared:
        for number, parameters in enumerate(each.variants):
            name = each.library(number)
            folder = work / name
            folder.mkdir(parents=True)
            overrides = [f"-G{key}={value}" for key, value in parameters.items()]
            names = ["--prefix", f"V{name}", "--mod-prefix", f"V{name}", "--Mdir", str(folder)]
            verilate(
                [
                    *flags,
                    *names,
                    "--lib-create",
                    name,
                    "--top-module",
                    each.module,
                    *overrides,
                    *map(str, sources),
                ]
            )
            folders.append(folder)
            rest.append(folder / f"{name}.sv")
        stand_in = work / f"{each.module}.sv"
        stand_in.write_text(each.stand_in(own[each.module].read_text(encoding="utf-8")), encoding="utf-8")
        rest.append(stand_in)
    return rest, folders
