"""Commands as a user calls them, and their answers as a program reads them."""

import json
from typing import Any

import pytest

from capgap.cli.main import main


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as leave:
        status = int(leave.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """The one JSON object that a command prints; it must not contain NaN or Infinity."""
    status, out, err = call(capsys, *arguments, "--json")
    assert (status, err) == (0, "")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(out, parse_constant=refuse)
    return found
