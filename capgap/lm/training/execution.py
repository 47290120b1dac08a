"""How a run is carried out: nothing here changes what is trained, except in rounding."""

from dataclasses import dataclass
from pathlib import Path

from capgap.errors import InputError

__all__ = ["Execution"]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Arguments of a run's execution that are not part of the experiment.

    Parameters
    ----------
    micro_batch_size : int or None
        Sequences at a time; gradients of the parts add up to that of the batch exactly, up
        to rounding. None: the whole batch at once.
    compile : bool
        Translate the model with torch.compile; takes tens of seconds at the start.
    chunked : bool or None
        Never hold all logits of a batch; None: decide by their size.
    checkpoints : Path or None
        Folder for the state of an unfinished run; None: none is kept.
    checkpoint_seconds : float
        Time between two states; 0 keeps one after every step.
    """

    micro_batch_size: int | None = None
    compile: bool = False
    chunked: bool | None = None
    checkpoints: Path | None = None
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.micro_batch_size is not None and self.micro_batch_size < 1:
            raise InputError(
                f"train: micro_batch_size = {self.micro_batch_size} must be at least 1"
            )
        if not self.checkpoint_seconds >= 0:
            raise InputError(
                f"train: checkpoint_seconds = {self.checkpoint_seconds} must be at least 0"
            )
