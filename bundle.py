"""A compiled model on disk, and what can be done with it: run, verify, simulate, report."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ir.bundle import MODULE, PLAN, BundleFiles
from .ir.errors import BundleError, InputError, VerifyError
from .ir.files import write_text
from .progress import Progress

if TYPE_CHECKING:
    import numpy as np

    from .backends.cpu.generate import Generation
    from .backends.cpu.loader import Program
    from .backends.cuda.loader import Program as CudaProgram
    from .ir.signature import TensorSpec
    from .sim.mapped import MapRuns
    from .sim.report import Report
    from .sim.rtl.bolt_result import LookupResult
    from .sim.rtl.compare import SimResult
    from .sim.verification import Verification
    from .stepwise import Bound
    from .subject import Subject

SIMULATION = "verilog/sim.json"
VERIFY = "verify.json"


def random_input(random: np.random.Generator, spec: TensorSpec) -> np.ndarray:
    """An array for an input: normal numbers, or whole ones that it takes where it says which."""
    if spec.below is not None:
        return random.integers(spec.below, size=spec.shape).astype(spec.dtype)
    return random.standard_normal(spec.shape).astype(spec.dtype)


@dataclass(frozen=True)
class VerifyReport:
    """A verification as commands and notebooks show it."""

    verification: Verification

    @property
    def ok(self) -> bool:
        """Whether every output of every run is within its bound."""
        return self.verification.ok

    def to_json(self) -> dict[str, Any]:
        """Every case with its errors by output and by layer."""
        return self.verification.to_json()

    def text(self) -> str:
        """One table of outputs, and of inner values where they were compared."""
        from .sim.report.terminal import verification_text

        return verification_text(self.verification)


@dataclass
class Bundle:
    """A compiled model on disk.

    Attributes:
        files: the directory, its manifest and hashes checked.
    """

    files: BundleFiles
    _subject: Subject | None = field(default=None, repr=False)
    _program: Program | None = field(default=None, repr=False)
    _cuda: CudaProgram | None = field(default=None, repr=False)
    _kept: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The directory."""
        return self.files.path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the bundle says of itself."""
        return self.files.manifest

    def run(
        self, inputs: Mapping[str, Any], threads: int | None = None, profile: bool = False
    ) -> dict[str, Any]:
        """Run the bundle's code, on the CPU or the GPU, on arrays by name; outputs by name.

        With `profile` the result also holds ``profile``: a row per step with its milliseconds.

        Raises:
            InputError: inputs that no entry takes.
            BundleError: the bundle holds no code.
            ToolMissing: it holds CUDA, and there is no GPU.
        """
        from .backends.cpu.loader import PROFILE

        program = self.cuda_program() if "cuda" in self.manifest["backends"] else self.program()
        results = program.run(inputs, threads=threads, profile=profile)
        if profile:
            results["profile"] = results.pop(PROFILE)
        return results

    def generate(
        self,
        prompt: Sequence[int] | np.ndarray | int,
        count: int,
        temperature: float = 0.0,
        seed: int = 0,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Generation:
        """Generate tokens with a decoder that keeps its keys and values.

        Args:
            prompt: tokens; hidden states [n, d] of layers without a vocabulary; or how many random ones.
            count: tokens to generate.
            temperature: of the distribution they are drawn from; 0 takes the likeliest.
            seed: of the random prompt and of the draw.
            threads: as many as the process may use when None.
            progress: told of each token.

        Raises:
            InputError: the bundle is no decoder, a token is unknown, or the cache is too small.
        """
        import numpy as np

        from .backends.cpu.generate import Decoder, generate, random_prompt

        decoder = Decoder(self.program(), threads)
        if isinstance(prompt, int):
            given = random_prompt(decoder, prompt, seed)
        else:
            given = np.asarray(prompt)
            if given.ndim != len(decoder.tokens.shape) - 1:
                raise InputError(
                    f"a prompt of {given.ndim} dimensions",
                    where=str(self.path),
                    accepted=f"{decoder.tokens} without its first axis; or how many random ones",
                )
        return generate(decoder, given, count, temperature=temperature, seed=seed, progress=progress)

    def program(self) -> Program:
        """The CPU code, loaded; the bundle's hashes are checked once.

        Raises:
            BundleError: the bundle holds no CPU code, or has changed on disk.
            TargetError: it is compiled for instructions this machine does not have.
        """
        if self._program is None:
            from .backends.cpu.loader import load

            self._program = load(self.path)
        return self._program

    def cuda_program(self) -> CudaProgram:
        """The CUDA code, loaded on this machine's GPU.

        Raises:
            BundleError: the bundle holds no CUDA code, or has changed on disk.
            ToolMissing: there is no GPU or no driver.
            TargetError: it is compiled for another architecture.
        """
        if self._cuda is None:
            from .backends.cuda.loader import load

            self._cuda = load(self.path)
        return self._cuda

    def example_inputs(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Random inputs of the first entry's shapes: the model's own where it is known, else by type.

        Raises:
            BundleError: the bundle holds no code to run.
        """
        import numpy as np

        first = next(iter(self.files.entries), None)
        if first is None or not {"cpu", "cuda"} & set(self.manifest["backends"]):
            raise BundleError(
                "holds no code to run",
                where=str(self.path),
                accepted="a bundle compiled with --target cpu or h200",
            )
        if self._subject is None and "name" not in self.manifest["model"]:
            random = np.random.default_rng(seed)
            specs = self.files.entries[first].inputs
            return {spec.name: random_input(random, spec) for spec in specs}
        subject = self.subject()
        given = subject.entries[first]
        if subject.model is not None:
            batch = next(iter(given.values())).shape[0]
            length = self.files.entries[first].extents.get("s")
            given = subject.model.example_inputs(length, batch, seed)
        return {name: value.numpy() for name, value in given.items()}

    def subject(self) -> Subject:
        """The model the bundle was compiled from, made again from the manifest's recipe.

        Raises:
            VerifyError: it was compiled from a module in memory, in another process.
        """
        if self._subject is None:
            recipe = self.manifest["model"]
            if "name" not in recipe:
                raise VerifyError(
                    "the PyTorch model it was compiled from is not here to compare with",
                    where=str(self.path),
                    accepted="a bundle of zoo:NAME, path.py:callable or file.pt2, or its own process",
                )
            from .subject import resolve

            self._subject = resolve(
                recipe["name"], recipe.get("shapes"), recipe.get("dtype", "f32"), recipe.get("seed", 0)
            )
        return self._subject

    def verify(
        self, lengths: Sequence[int] | None = None, seed: int = 0, progress: Progress | None = None
    ) -> VerifyReport:
        """Compare with eager PyTorch: outputs at several lengths, full and padded; inner values once.

        The result is kept in the bundle for `report`.

        Raises:
            VerifyError: the model cannot be made again, or lengths it does not have.
        """
        from .checking import verify

        recipe = self.manifest["model"]
        weights = self._quantized() if recipe.get("quantized") else None
        compiled = self._compiled() if "precision" in recipe else None
        program = self.cuda_program() if "cuda" in self.manifest["backends"] else self.program()
        found = verify(self.subject(), program, recipe, lengths, seed, progress, weights, compiled)
        write_text(self.path / VERIFY, json.dumps(found.to_json(), indent=1) + "\n")
        return VerifyReport(found)

    def _quantized(self) -> dict[str, np.ndarray]:
        """The values that the codes of quantized parameters stand for, by name."""
        from .ir.module import parse_module
        from .ir.quantized import Dequantized, quantized_params

        module = parse_module(self.files.text(MODULE), where=MODULE)
        values = Dequantized(module, self._codes())
        return {name: values[name] for name, _, _ in quantized_params(module)}

    def _compiled(self) -> Bound:
        """The module as it was compiled, for the interpreter."""
        from .stepwise import Bound

        return Bound(self.files.text(MODULE), self._codes())

    def _codes(self) -> dict[str, np.ndarray]:
        """The stored arrays, of weights that are kept as packed images their codes."""
        from .backends.cpu.packed import parts_of

        arrays = dict(self.files.weights().arrays)
        facts = self.manifest["backends"].get("cpu")
        images = self.files.json(facts["program"]).get("images", {}) if facts else {}
        for name, image in images.items():
            arrays |= {f"{name}.{part}": array for part, array in parts_of(arrays[image]).items()}
        return arrays

    def simulate(
        self,
        design: str | None = None,
        driver: str = "cpp",
        trace: str | None = None,
        max_cycles: int | None = None,
        memory_latency: int | None = None,
        inputs: Mapping[str, np.ndarray] | None = None,
        progress: Progress | None = None,
        trace_window: str | None = None,
    ) -> SimResult | MapRuns:
        """Simulate the bundle's Verilog and compare with the integer oracle and the cost model.

        The result is kept in the bundle for `report`. A bundle with memory maps has no Verilog: its entries
        are executed at their tensors' places, and compared with the plain run.

        Args:
            design: which, where there are several.
            driver: ``cpp`` or ``cocotb``.
            trace: a waveform file to write.
            max_cycles: give up after so many.
            memory_latency: cycles the memory takes to answer; the target's when None.
            inputs: other operands than the stored ones; such a run is not kept. Of a map: by argument.
            progress: told of results done.
            trace_window: ``A:B``, the cycles that waveforms are written of; of a block on a fabric.

        Raises:
            InputError: the bundle holds no such design, or it has no such window.
            ToolMissing: Verilator, cocotb, a compiler or ``lz4.h`` is not installed.
            VerifyError: the run broke off, the design failed, or it reached the cycle limit.
        """
        from .blocks import with_sequences
        from .heads import with_operands
        from .layers import with_activations
        from .sim.rtl import bitmod, fusemax
        from .sim.rtl.bolt_result import LookupResult
        from .sim.rtl.design import describe
        from .sim.rtl.record import record_run
        from .sim.rtl.simulate import simulate
        from .sim.rtl.sn40l_section import design as sn40l
        from .sim.rtl.window import Window

        maps = self.files.json(PLAN).get("maps")
        if maps:
            return self._execute(maps, inputs, progress)
        again = {
            bitmod.KIND: with_activations,
            fusemax.KIND: with_operands,
            sn40l.KIND: with_sequences,
        }
        name, folder = self._design(design)
        if describe(self.path / folder)["design"] == LookupResult.design:
            wants = {
                "--driver": driver != "cpp",
                "--trace": trace is not None,
                "--max-cycles": max_cycles is not None,
                "--trace-window": trace_window is not None,
            }
            found = self._ask(folder, wants, memory_latency, inputs, progress)
            if inputs is None:
                record_run(self.path / SIMULATION, found)
            return found
        with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
            place = self.path / folder
            if inputs is not None:
                place = again[describe(place)["design"]](self.files, name, inputs, Path(scratch))
            result = simulate(
                place,
                driver=driver,
                trace=trace,
                max_cycles=max_cycles,
                memory_latency=memory_latency,
                progress=progress,
                window=None if trace_window is None else Window.of(trace_window),
            )
        if inputs is None:
            record_run(self.path / SIMULATION, result)
        return result

    def _ask(
        self,
        folder: str,
        wants: Mapping[str, bool],
        memory_latency: int | None,
        inputs: Mapping[str, np.ndarray] | None,
        progress: Progress | None,
    ) -> LookupResult:
        from .oblivious import simulate_oblivious

        refused = [option for option, wanted in wants.items() if wanted]
        if refused:
            raise InputError(
                "a map runs with its program, to the program's end",
                where=str(self.path / folder),
                accepted=f"no {', '.join(refused)}",
            )
        return simulate_oblivious(self.files, folder, inputs, memory_latency, progress)

    def _execute(
        self, maps: Mapping[str, Any], inputs: Mapping[str, np.ndarray] | None, progress: Progress | None
    ) -> MapRuns:
        from .ir.module import parse_module
        from .sim.mapped import MapRuns, execute

        module = parse_module((self.path / MODULE).read_text(encoding="utf-8"), where=str(self.path))
        runs = []
        for at, (entry, figures) in enumerate(maps.items()):
            if progress is not None:
                progress(f"executing {entry}", at, len(maps))
            runs.append(execute(module, entry, figures, inputs))
        return MapRuns(tuple(runs))

    def _design(self, design: str | None) -> tuple[str, str]:
        held: dict[str, str] = self.manifest["backends"].get("verilog", {}).get("designs", {})
        if not held:
            raise InputError(
                "the bundle holds no Verilog",
                where=str(self.path),
                accepted="a bundle of --target bitmod-small, fusemax-small, sn40l-small or bolt-u55c",
            )
        name = next(iter(held)) if design is None else design
        if name not in held:
            raise InputError(f"no design '{name}'", where=str(self.path), accepted=", ".join(held))
        return name, held[name]

    def report(self, out: str | Path | None = None) -> Report:
        """Tables of this bundle, and one HTML page where `out` is given."""
        from .sim.report import report

        return report([self.path], out)
