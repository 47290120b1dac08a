"""Several processes that train one model together, as torchrun starts them."""

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from capgap.errors import CapgapError, InputError

__all__ = ["ALONE", "Processes", "joined", "own_device"]

# How long a process waits for the others to start, and later for the first one, which
# evaluates and writes alone. torchrun ends all of them as soon as one fails, so that the
# second is no more than a last resort.
START = timedelta(minutes=5)
WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """This process among those that share a run's batches.

    Parameters
    ----------
    rank, world : int
        Its number from 0, and how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, reports and writes for all."""
        return self.rank == 0

    def share(self, rows: int) -> range:
        """Rows of a batch that this process computes; sizes differ by at most one.

        >>> [list(Processes(rank, 3).share(4)) for rank in range(3)]
        [[0], [1], [2, 3]]
        """
        return range(rows * self.rank // self.world, rows * (self.rank + 1) // self.world)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over the processes; itself where there is one.

        The average is a sum in the order of the processes' ring: of two it does not depend on
        how torch packs the gradients, of more it does, in rounding. torch packs them anew after
        the first step, also of a run that goes on from a kept state: with two processes such a
        run is bit-identical to an undisturbed one, with more it is equal up to rounding.
        """
        if self.world == 1:
            return module
        return DistributedDataParallel(module)

    def mean(self, value: Tensor) -> Tensor:
        """Mean over the processes, the same bits in all of them."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.world
        return value

    def as_leader(self, answers: Sequence[bool], device: str) -> list[bool]:
        """What the first process answers."""
        if self.world == 1:
            return list(answers)
        sent = torch.tensor(answers, dtype=torch.int64, device=device)
        dist.broadcast(sent, 0)
        return [bool(answer) for answer in sent.tolist()]

    def meet(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            dist.barrier()


ALONE = Processes()


def own_device(device: str) -> str:
    """The device of this process: of those that torchrun started, each has its own GPU.

    >>> own_device("cpu")
    'cpu'

    Raises
    ------
    InputError
        Several processes on one given GPU, or on a device other than CPU and CUDA.
    """
    if _world() == 1 or device == "cpu":
        return device
    if device != "cuda":
        raise InputError(
            f"train: device = {device!r} must be cpu or cuda where several processes share a"
            " run; each takes the GPU of its number"
        )
    return f"cuda:{_integer('LOCAL_RANK', 0)}"


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that torchrun started, told by its environment variables, or this one alone.

    Uses NCCL between GPUs (written by the book; not yet run on any) and gloo between CPUs. torch
    cannot open a second group under the same torchrun: the first one serves all runs of this
    process and is closed at its end. A group that the caller opened is used.

    Raises
    ------
    InputError
        The variables are wrong or incomplete; the other processes did not come.
    CapgapError
        Another process ended before its time.
    """
    world = _world()
    if world == 1:
        yield ALONE
        return
    rank = _integer("RANK", 0, world - 1)
    if not dist.is_initialized():
        _open(rank, world, own_device(device))
    try:
        yield Processes(rank, world)
    except BaseException as error:
        # The others may be waiting for this process; closing would wait for them in turn.
        atexit.unregister(dist.destroy_process_group)
        if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
            raise CapgapError(
                f"train: process {rank} of {world} lost another one, which says why; what was"
                " kept of the run is where the next start goes on"
            ) from None
        raise


def _open(rank: int, world: int, device: str) -> None:
    """Meet the other processes."""
    gpu = _take(device) if device.startswith("cuda") else None
    try:
        # Given here and not to init_process_group, which has one time limit for everything.
        store, _, _ = next(rendezvous("env://", rank, world, timeout=START))
        store.set_timeout(WAIT)
        # torchrun keeps its store when it starts processes again; the addresses that the dead
        # ones left there must not be found.
        life = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        dist.init_process_group(
            "gloo" if gpu is None else "nccl", store=life, rank=rank, world_size=world,
            timeout=WAIT, device_id=gpu,
        )  # fmt: skip
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"train: process {rank} of {world} cannot join the others; start them with torchrun"
            f" ({reason})"
        ) from None
    atexit.register(dist.destroy_process_group)


def _take(device: str) -> torch.device:
    """Make a GPU the one of this process."""
    try:
        torch.zeros(1, device=device)
        torch.cuda.set_device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used: {reason}") from None
    return torch.device(device)


def _world() -> int:
    """Number of processes; 1 without torchrun."""
    return _integer("WORLD_SIZE", 1) if "WORLD_SIZE" in os.environ else 1


def _integer(name: str, low: int, high: int | None = None) -> int:
    """One of torchrun's environment variables."""
    text = os.environ.get(name)
    if text is None:
        raise InputError(f"train: {name} is not set; several processes are started with torchrun")
    bounds = f"at least {low}" if high is None else f"between {low} and {high}"
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low or (high is not None and value > high):
        raise InputError(f"train: {name} = {text!r} must be an integer {bounds}")
    return value
