"""The command line: a table of commands, and one place where errors become messages and exit codes.

Exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted, 143 terminated. With ``--json``
standard output is one JSON object, an error included (``{"error": {...}}``); messages for people and progress
bars go to standard error. Nothing heavy is imported here, so that ``penstock --help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, NoReturn, TextIO

from . import __version__
from .arguments import COMMANDS, option
from .ir.errors import InputError, PenstockError, ToolMissing

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DONE, CHECK_FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an interrupt: what is half-written goes, and so do the programs that were started."""


@contextmanager
def ended_by_terminate() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, in this process alone: workers forked from it just end."""
    owner = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() == owner:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(text: str, stream: TextIO) -> None:
    """Print at once. A stream that takes no more is silent from then on: nothing is left for the exit.

    Raises:
        OSError: the stream takes no more.
    """
    try:
        print(text, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def prepare_streams() -> None:
    """Standard streams that take any text: closed ones (`>&-`) swallow it, narrow encodings escape it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (to the end)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises what it refuses instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise ``InputError`` naming the command and where its arguments are described."""
        where = self.prog if " " in self.prog else None  # our own name opens every message
        raise InputError(message, where=where, accepted=f"what `{self.prog} --help` describes")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a command line; what is left over is refused by the command it was given to."""
        args, left = self.parse_known_args(words)
        if left:
            self.prog = f"penstock {args.spec.name}"
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return args

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; whoever stops reading it (`| head`) has read enough."""
        with suppress(BrokenPipeError):
            say(self.format_help().rstrip("\n"), sys.stdout)


def build_parser() -> Parser:
    """The parser of the whole command line, from the table ``COMMANDS``."""
    parser = Parser(
        prog="penstock",
        description="Carry a PyTorch model, as a cascade of Einsums, to CPU code, CUDA and Verilog.",
        epilog="example: penstock compile zoo:minilm-l6 -o minilm && penstock verify minilm",
    )
    parser.add_argument("--version", action="version", version=f"penstock {__version__}")
    groups = {"": parser.add_subparsers(metavar="COMMAND", required=True, dest="command")}
    for command in COMMANDS:
        group, _, word = command.name.rpartition(" ")
        if group not in groups:
            nested = groups[""].add_parser(
                group, help="the planners on their own", epilog=f"example: {command.example}"
            )
            groups[group] = nested.add_subparsers(metavar="PLANNER", required=True, dest="planner")
        sub = groups[group].add_parser(
            word,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=f"example: {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # `--js` would ask for JSON where nobody who reads the words expects it
        )
        for each in (*command.options, option("--json", action="store_true", help="print one JSON object")):
            sub.add_argument(*each.flags, **each.settings)
        sub.set_defaults(spec=command)
    return parser


def explain(error: OSError) -> PenstockError:
    """What the operating system refused, as an error for the person at the keyboard."""
    where = str(error.filename) if error.filename is not None else None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            "the disk is full; nothing half-written was kept",
            where=where,
            accepted="a place with room: free some, or give -o elsewhere",
        )
    return InputError((error.strerror or str(error)).lower(), where=where)


def shortage(error: Exception) -> PenstockError | None:
    """What asked for more memory than there is, as an error for people; None where that is not what failed.

    NumPy raises ``MemoryError``, torch a ``RuntimeError`` of its allocator or of the size's arithmetic.
    """
    said = str(error)
    torch_said = ("can't allocate memory", "Storage size calculation overflowed", "out of memory")
    if not isinstance(error, MemoryError) and not any(each in said for each in torch_said):
        return None
    return InputError(
        f"not enough memory{f': {said}' if said else ''}", accepted="smaller sizes, or a machine with more"
    )


def missing(error: ModuleNotFoundError) -> PenstockError:
    """A Python package that is not there, and the command that brings it."""
    from .doctor import install_hint

    name = (error.name or "").partition(".")[0]
    return ToolMissing(f"the Python package {name!r} is not installed", accepted=install_hint(name))


def refuse(error: PenstockError, as_json: bool, status: int = BAD_INPUT) -> int:
    """Print an error once for people and, with ``--json``, once for programs; the exit status."""
    with suppress(OSError):  # the status still says it
        say(f"penstock: {error}", sys.stderr)
    if as_json:
        with suppress(OSError):
            say(json.dumps({"error": error.to_json()}), sys.stdout)
    return status


def execute(args: argparse.Namespace) -> int:
    """Run one parsed command and print what it has to say."""
    from . import commands
    from .outcome import Outcome, plain
    from .progress import bar

    run: Callable[[argparse.Namespace], Outcome] = getattr(commands, args.spec.run)
    # Standard output is for what the command says: a model's own prints go to standard error.
    with redirect_stdout(sys.stderr), bar():
        outcome = run(args)
    text = outcome.text
    if args.json:
        text = json.dumps(plain(outcome.data), allow_nan=False, indent=2)
    if text:
        with suppress(BrokenPipeError):  # the reader (`| head`) has gone: nobody is left to tell
            say(text, sys.stdout)
    return DONE if outcome.ok else CHECK_FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status.

    Args:
        argv: the arguments after the program's name; ``sys.argv`` when omitted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    prepare_streams()
    try:
        with ended_by_terminate():
            return execute(build_parser().read(words))
    except PenstockError as error:
        return refuse(error, as_json)
    except OSError as error:
        return refuse(explain(error), as_json)
    except (MemoryError, RuntimeError) as error:
        short = shortage(error)
        if short is None:
            raise
        return refuse(short, as_json)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("penstock"):
            raise
        return refuse(missing(error), as_json)
    except Terminated:
        return refuse(PenstockError("terminated"), as_json, TERMINATED)
    except KeyboardInterrupt:
        return refuse(PenstockError("interrupted"), as_json, INTERRUPTED)
