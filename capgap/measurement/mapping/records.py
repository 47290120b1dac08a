"""Records of a mapping study: one file per stack of networks, free of torch."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.measurement.mapping.settings import MappingSettings, TeacherChoice

__all__ = ["MappingRecord", "MappingStore", "run_name"]

FloatArray = npt.NDArray[np.float64]
FORMAT = "capgap-mapping-1"


@dataclass(frozen=True, slots=True)
class MappingRecord:
    """Networks that differ in the seed alone.

    Attributes
    ----------
    role : str
        "teacher" or "student".
    width, parameters, steps : int
        Of each network; parameters with biases; steps that it was trained.
    teacher : TeacherChoice
        The student's teacher, or the teacher itself.
    seeds : tuple of int
    loss : tuple of float
        Cross-entropy to the labels by seed, nats, exact over all examples.
    divergence : tuple of float
        KL divergence from the teacher, nats; 0 for teachers.
    accuracy : tuple of float
        Share of examples whose most likely class is the label.
    seconds : float
        Wall time of the training of all seeds together.
    """

    role: str
    width: int
    parameters: int
    steps: int
    teacher: TeacherChoice
    seeds: tuple[int, ...]
    loss: tuple[float, ...]
    divergence: tuple[float, ...]
    accuracy: tuple[float, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MappingRecord":
        """Inverse of `to_dict`; InputError for anything else."""
        values = dict(values)
        if values.pop("format", None) != FORMAT:
            raise InputError(f"mapping record: format must be {FORMAT}")
        try:
            values["teacher"] = TeacherChoice(**values["teacher"])
            for name in ("seeds", "loss", "divergence", "accuracy"):
                values[name] = tuple(values[name])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InputError(f"mapping record: must be complete ({error})") from None


def run_name(settings: MappingSettings, role: str, width: int, teacher: TeacherChoice) -> str:
    """Name of a stack's files: what it is, and a hash of everything that decides its outcome.

    >>> from capgap.measurement.mapping.settings import small_settings
    >>> run_name(small_settings(), "student", 64, TeacherChoice(256, 128))[:21]
    'student-64-of-256-128'
    """
    decisive = {
        **settings.training(), "role": role, "width": width, "seeds": settings.seeds,
        "teacher": dataclasses.asdict(teacher),
    }  # fmt: skip
    if teacher.stop is not None:
        decisive["schedule_steps"] = max(settings.stop_steps)
    if role == "student" and settings.student_factor != 1:
        decisive["student_factor"] = settings.student_factor
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    end = "" if teacher.stop is None else f"-{teacher.stop}"
    of = f"-of-{teacher.width}" if role == "student" else ""
    return f"{role}-{width}{of}{end}-{digest[:12]}"


@dataclass(frozen=True, slots=True)
class MappingStore:
    """A folder of records, and of teachers' distributions over all examples.

    A record is written last and appears at once: what was interrupted is not there.
    """

    folder: Path

    def read(self, name: str) -> MappingRecord | None:
        """The record, or None where there is none; InputError where it is damaged."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            return MappingRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, InputError) as error:
            raise InputError(f"mapping runs: {path} cannot be read: {error}") from None

    def write(
        self, name: str, record: MappingRecord, log_probabilities: FloatArray | None = None
    ) -> None:
        """Keep a record; a teacher's log probabilities, (seeds, examples, classes), first."""
        if log_probabilities is not None:
            data = io.BytesIO()
            np.save(data, log_probabilities.astype(np.float32))
            write_atomically(self.folder / f"{name}.npy", data.getvalue())
        text = json.dumps(record.to_dict(), indent=1) + "\n"
        write_atomically(self.folder / f"{name}.json", text.encode())

    def log_probabilities(self, name: str) -> FloatArray:
        """A teacher's log probabilities, as kept by `write`."""
        path = self.folder / f"{name}.npy"
        try:
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        except (OSError, ValueError) as error:
            raise InputError(f"mapping runs: {path} cannot be read: {error}") from None

    def __iter__(self) -> Iterator[MappingRecord]:
        """All records, by name."""
        for path in sorted(self.folder.glob("*.json")):
            record = self.read(path.stem)
            assert record is not None
            yield record
