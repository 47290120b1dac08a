"""Records of runs: what was configured, what came out, where and how fast.

Free of torch: fits and reports read records on any machine.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.lm.config import RunConfig

__all__ = ["Machine", "RunRecord", "RunStore"]

FORMAT = "capgap-run-1"


@dataclass(frozen=True)
class Machine:
    """Where a run was made, and how fast it went: may differ between equal runs."""

    device: str
    threads: int
    processor: str
    platform: str
    versions: dict[str, str]
    code_version: str
    seconds: float
    tokens_per_second: float
    finished: str
    processes: int = 1
    compiled: bool = False
    peak_memory: int | None = None  # bytes, of the leading process


@dataclass(frozen=True)
class RunRecord:
    """One run. Everything but `machine` is reproduced bit for bit on the same machine.

    Attributes
    ----------
    config : RunConfig
        What was asked; its hash is the run's id.
    status : str
        "ok", or "failed" for a run that diverged: kept, shown, and never fitted.
    failure : str or None
        Why it failed.
    N, D : int
        Non-embedding parameters; training tokens seen.
    unique_tokens : int
        Different tokens among the D (fewer than D when the text was passed repeatedly).
    loss, standard_error : float or None
        Validation cross-entropy, nats per token, and its standard error over documents.
    bits_per_byte : float or None
        The same loss per byte of text.
    document_losses, document_tokens : tuple
        Per validation document, so that two runs can be compared on the same documents.
    L_T : float or None
        The teacher's validation loss (of several teachers, that of the mixture of their
        distributions); None for supervised runs.
    curve : tuple of (int, float, float or None)
        Tokens seen, next-token loss, distillation loss of the training batches.
    flops : float
        Training FLOPs by the paper's formula, with the teacher's forward passes, except where
        its outputs had been stored.
    weights_sha256 : str or None
        Of the model file.
    events : tuple of (int, str, float or None)
        Step, "not finite" (the step was skipped) or "spike", and the loss or gradient norm
        (None where it was not finite).
    """

    config: RunConfig
    status: str
    failure: str | None
    N: int
    D: int
    unique_tokens: int
    loss: float | None
    standard_error: float | None
    bits_per_byte: float | None
    document_losses: tuple[float, ...]
    document_tokens: tuple[int, ...]
    L_T: float | None
    curve: tuple[tuple[int, float, float | None], ...]
    flops: float
    weights_sha256: str | None
    machine: Machine
    events: tuple[tuple[int, str, float | None], ...] = ()

    @property
    def id(self) -> str:
        """Hash of the configuration."""
        return self.config.id

    def outcome(self) -> dict[str, Any]:
        """The reproducible part: everything but the machine."""
        values = self.to_dict()
        del values["machine"]
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "config"]
        values: dict[str, Any] = {"config": self.config.to_dict()}
        values |= {name: getattr(self, name) for name in names}
        values["machine"] = {  # without what came later and does not differ from before
            field.name: getattr(self.machine, field.name)
            for field in dataclasses.fields(Machine)
            if getattr(self.machine, field.name) != field.default
        }
        if not self.events:
            del values["events"]  # as records were written before there were any
        return {"format": FORMAT, "id": self.id, **json.loads(json.dumps(values))}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunRecord":
        """Inverse of `to_dict`; refuses a record whose id is not its configuration's."""
        if not isinstance(values, dict):
            raise InputError(f"record: is a JSON {type(values).__name__}, must be an object")
        values = dict(values)
        if values.pop("format", None) != FORMAT:
            raise InputError(f"record: format is not {FORMAT}")
        stated = values.pop("id", None)
        try:
            record = cls(
                **{
                    **values,
                    "config": RunConfig.from_dict(values["config"]),
                    "document_losses": tuple(values["document_losses"]),
                    "document_tokens": tuple(values["document_tokens"]),
                    "curve": tuple((t, a, b) for t, a, b in values["curve"]),
                    "machine": Machine(**values["machine"]),
                    "events": tuple((s, kind, v) for s, kind, v in values.get("events", ())),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"record: not a complete record ({error})") from None
        if record.id != stated:
            raise InputError(f"record: id {stated} does not belong to its configuration")
        return record


@dataclass(frozen=True)
class RunStore:
    """A folder of records ``<id>.json`` and model files ``<id>.safetensors``.

    The record is written last: a run exists when its record does. Files of runs that
    were interrupted have other names and are ignored.
    """

    folder: Path

    def record_path(self, run_id: str) -> Path:
        """Path of a record."""
        return self.folder / f"{run_id}.json"

    def weights_path(self, run_id: str) -> Path:
        """Path of a model file."""
        return self.folder / f"{run_id}.safetensors"

    def losses_path(self, run_id: str) -> Path:
        """Path of the losses of all validation tokens, where they were kept."""
        return self.folder / f"{run_id}.losses.npy"

    def has(self, run_id: str) -> bool:
        """Whether the run is done."""
        return self.record_path(run_id).is_file()

    def read(self, run_id: str) -> RunRecord:
        """The record of a run; an unambiguous beginning of its id is enough."""
        if run_id and not run_id.isalnum():
            raise InputError(f"runs: {run_id!r} must be the id of a run, or its beginning")
        exact = self.record_path(run_id)
        found = [exact] if exact.is_file() else sorted(self.folder.glob(f"{run_id}*.json"))
        if len(found) != 1:
            what = "no run" if not found else f"{len(found)} runs"
            raise InputError(f"runs: {what} {run_id!r} in {self.folder}")
        return _read(found[0])

    def write(self, record: RunRecord) -> None:
        """Write a record atomically."""
        text = json.dumps(record.to_dict(), indent=1) + "\n"
        write_atomically(self.record_path(record.id), text.encode())

    def __iter__(self) -> Iterator[RunRecord]:
        """All records, in the order of their ids."""
        for path in sorted(self.folder.glob("*.json")):
            yield _read(path)


def _read(path: Path) -> RunRecord:
    try:
        return RunRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"runs: {path} cannot be read: {error}") from None
    except InputError as error:
        raise InputError(f"runs: {path}: {error}") from None
