"""The state of an unfinished run on disk: safetensors for tensors, JSON for the rest.

The JSON file names the tensor file and its hash and is replaced last: a kill at any moment
leaves the state before or the state after, whole.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from capgap.errors import InputError
from capgap.files import write_atomically

__all__ = ["Checkpoints", "RunState"]

FORMAT = "capgap-state-1"


@dataclass(frozen=True)
class RunState:
    """Everything that decides how a run goes on.

    Attributes
    ----------
    step : int
        The step that comes next.
    tensors : dict of str to Tensor
        Weights and moments.
    values : dict
        JSON values: schedule, guard, meter.
    """

    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """States of one run in a folder of its own."""

    folder: Path
    run_id: str

    @property
    def _note(self) -> Path:
        return self.folder / self.run_id / "state.json"

    def write(self, state: RunState) -> None:
        """Keep a state in place of the one before."""
        data = safetensors.torch.save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
        )
        name = f"step-{state.step}.safetensors"
        write_atomically(self._note.with_name(name), data)
        note = {
            "format": FORMAT,
            "id": self.run_id,
            "step": state.step,
            "tensors": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "values": state.values,
        }
        write_atomically(self._note, json.dumps(note).encode())
        for old in self._note.parent.glob("step-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)

    def read(self) -> RunState | None:
        """The state kept last, or None.

        Raises
        ------
        InputError
            A file is damaged; its name is told, and what removing it means.
        """
        if not self._note.is_file():
            return None
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["format"] != FORMAT or note["id"] != self.run_id:
                raise ValueError("of another run or format")
            path = self._note.with_name(note["tensors"])
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != note["sha256"]:
                raise ValueError(f"SHA-256 of {path.name} differs")
            tensors = safetensors.torch.load(data)
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise InputError(
                f"train: the kept state {self._note} is damaged ({error}); remove its folder to"
                " start the run again"
            ) from None
        return RunState(int(note["step"]), tensors, note["values"])

    def remove(self) -> None:
        """Forget the run's states, when it is finished."""
        shutil.rmtree(self._note.parent, ignore_errors=True)
