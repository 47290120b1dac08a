"""Entry point: parse, run, and turn every expected error into one line and status 2."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import capgap
from capgap.cli import (
    bench,
    cache,
    calibrate,
    corpus,
    export,
    fits,
    planning,
    reproduce,
    runs,
    sweeps,
    thresholds,
    training,
)
from capgap.errors import CapgapError

__all__ = ["main"]

MODULES = (
    reproduce, planning, thresholds, fits, training, cache, sweeps, runs, calibrate, export, bench,
    corpus,
)  # fmt: skip

# Packages that are not always there, and the extra that brings them.
EXTRAS = {
    "torch": "lm",
    "safetensors": "lm",
    "transformers": "lm,hf",
    "tokenizers": "lm,hf",
    "ray": "lm,cluster",
}

DESCRIPTION = """\
When does a language model learn better from a teacher, and why can a stronger
teacher make a worse student? Predict it, train it, compare.

start here:
  capgap reproduce                      theory, prediction, a real distillation, a report
  capgap plan --student 1B --budget 1e22
                                        should I distil, from which teacher, how sure?
"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try: {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = OneLineParser(
        prog="capgap",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"capgap {capgap.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in MODULES:
        module.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status.

    0: done. 2: something the user can mend, told in one line on standard error.
    130: interrupted; whatever was finished before is kept.
    """
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CapgapError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(
            f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        )
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"this command needs {error.name}: pip install 'capgap[{extra}]'")
    except KeyboardInterrupt:
        print("capgap: interrupted; finished runs are kept", file=sys.stderr)
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"capgap: {' '.join(message.split())}", file=sys.stderr)
    return 2
