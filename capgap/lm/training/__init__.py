"""Training of models: one or several, supervised or taught, resumable, on one process or many."""

from capgap.lm.training.execution import Execution
from capgap.lm.training.guard import Event
from capgap.lm.training.loop import Training, open_device, train, train_many
from capgap.lm.training.meter import Progress
from capgap.lm.training.processes import ALONE, Processes, joined, own_device
from capgap.lm.training.schedule import learning_rate

__all__ = [
    "ALONE",
    "Event",
    "Execution",
    "Processes",
    "Progress",
    "Training",
    "joined",
    "learning_rate",
    "open_device",
    "own_device",
    "train",
    "train_many",
]
