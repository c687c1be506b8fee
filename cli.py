"""The command line: a table of commands, and one place where errors become messages and exit codes.

Exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted. With ``--json`` standard output is one
JSON object, an error included (``{"error": {...}}``); messages for people and progress bars go to standard
error. Nothing heavy is imported here, so that ``penstock --help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from . import __version__
from .arguments import COMMANDS, option
from .ir.errors import InputError, PenstockError, ToolMissing

DONE, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that raises what it refuses instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise ``InputError`` naming the command and where its arguments are described."""
        raise InputError(message, where=self.prog, accepted=f"what `{self.prog} --help` describes")


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


def missing(error: ModuleNotFoundError) -> PenstockError:
    """A Python package that is not there, and the command that brings it."""
    from .doctor import install_hint

    name = (error.name or "").partition(".")[0]
    return ToolMissing(f"the Python package {name!r} is not installed", accepted=install_hint(name))


def refuse(error: PenstockError, as_json: bool) -> int:
    """Print an error once for people and, with ``--json``, once for programs."""
    print(f"penstock: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": error.to_json()}, ensure_ascii=False))
    return BAD_INPUT


def execute(args: argparse.Namespace) -> int:
    """Run one parsed command and print what it has to say."""
    from . import commands
    from .outcome import Outcome, plain

    run: Callable[[argparse.Namespace], Outcome] = getattr(commands, args.spec.run)
    outcome = run(args)
    if args.json:
        print(json.dumps(plain(outcome.data), ensure_ascii=False, allow_nan=False, indent=2))
    elif outcome.text:
        print(outcome.text)
    sys.stdout.flush()
    return DONE if outcome.ok else CHECK_FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status.

    Args:
        argv: the arguments after the program's name; ``sys.argv`` when omitted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        return execute(build_parser().parse_args(words))
    except PenstockError as error:
        return refuse(error, as_json)
    except BrokenPipeError:  # the reader (`| head`) has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return refuse(explain(error), as_json)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("penstock"):
            raise
        return refuse(missing(error), as_json)
    except KeyboardInterrupt:
        print("penstock: interrupted", file=sys.stderr)
        return INTERRUPTED
