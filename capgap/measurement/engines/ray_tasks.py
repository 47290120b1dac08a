"""A Ray task per job, on this machine or a cluster (extra ``cluster``).

The store, the texts and other stores of teachers are named by paths, so their folders must
be shared by the machines (NFS, Lustre, ...); each task checks that before it trains. The
package must be installed wherever tasks run.
"""

import math
import uuid
from collections.abc import Sequence
from typing import Any

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.measurement.engines.interface import Ended, Job, SweepEvent, Workplace
from capgap.measurement.engines.ray_session import Session
from capgap.measurement.engines.ray_worker import Steps, run_task
from capgap.measurement.engines.work import one_line

__all__ = ["RayEngine"]


class RayEngine:
    """Tasks of a Ray cluster, which queues them until there are cores and GPUs.

    A cluster that is there is used (that of `address`, of the variable ``RAY_ADDRESS``, or
    one started on this machine by ``ray start``); otherwise one is started on this machine
    and shut down in the end.

    Parameters
    ----------
    processes : int or None
        Runs at a time, at most; None: as many as there are cores and GPUs for.
    cpus_per_run : float
        Cores that a run occupies.
    gpus_per_run : float or None
        GPUs that a run occupies: a part of one, or a whole number. With 0.25, four runs
        share a GPU, and its memory. None: 1 when the device is a GPU, otherwise 0.
    address : str or None
        Of the cluster; "local" always starts one. None: see above.

    Raises
    ------
    InputError
        A negative number, or GPUs that are neither a part of one nor a whole number.
    """

    _run = staticmethod(run_task)

    def __init__(
        self,
        *,
        processes: int | None = None,
        cpus_per_run: float = 1.0,
        gpus_per_run: float | None = None,
        address: str | None = None,
    ) -> None:
        if processes is not None and processes < 1:
            raise InputError(f"sweep: processes = {processes} must be at least 1")
        for name, value in (("cpus_per_run", cpus_per_run), ("gpus_per_run", gpus_per_run or 0.0)):
            if not (math.isfinite(value) and value >= 0) or (value > 1 and value % 1):
                raise InputError(f"sweep: {name} = {value} must lie in [0, 1] or be whole")
        self.places = processes
        self._cpus, self._gpus, self._address = cpus_per_run, gpus_per_run, address
        self._session: Session | None = None
        self._jobs: dict[Any, tuple[int, Job]] = {}
        self._started = 0

    def open(self, workplace: Workplace) -> None:
        """Connect to a cluster, or start one; refuse what it can never run.

        Raises
        ------
        CapgapError
            No Ray, no cluster at the address, no machine with so many cores or GPUs.
        """
        needed = self._needed(workplace.device)
        self._session = Session(self._address)
        self._session.require(needed)
        self._workplace = workplace
        self._mark = workplace.store.folder / f".shared-{uuid.uuid4().hex}"
        write_atomically(self._mark, b"to see this file is to share this folder\n")
        ray = self._session.ray
        # Ray repeats nothing: attempts are counted in one place, for all engines.
        self._task, self._needs = ray.remote(max_retries=0)(self._run), needed
        self._steps = ray.remote(num_cpus=0)(Steps).remote()
        self._heard = self._steps.take.remote()

    def start(self, job: Job) -> int:
        """Submit a task."""
        self._started += 1
        task = self._task.options(name=f"capgap {job.configs[0].id}", **self._needs)
        end = task.remote(job, self._workplace, self._mark, self._started, self._steps)
        self._jobs[end] = (self._started, job)
        return self._started

    def wait(self, timeout: float | None = None) -> Sequence[tuple[int, SweepEvent | Ended]]:
        """Progress, or the end of a task."""
        assert self._session is not None
        heard = [] if self._heard is None else [self._heard]
        ready, _ = self._session.ray.wait([*self._jobs, *heard], timeout=timeout)
        return [event for reference in ready for event in self._tell(reference)]

    def close(self) -> None:
        """Cancel what runs; shut the cluster down if it was started here."""
        if self._session is None:
            return
        if hasattr(self, "_mark"):
            self._mark.unlink(missing_ok=True)
        for end in self._jobs:
            self._session.ray.cancel(end, force=True)
        self._jobs.clear()
        self._session.close()
        self._session = self._task = self._steps = self._heard = None

    def _needed(self, device: str) -> dict[str, float]:
        """What a task asks of its machine."""
        kind, _, which = device.partition(":")
        if which:
            raise InputError(f"sweep: device = {device!r} must be {kind!r}: Ray chooses which")
        gpus = float(kind == "cuda") if self._gpus is None else self._gpus
        if kind == "cuda" and gpus == 0:
            raise InputError("sweep: gpus_per_run = 0 must be positive with device 'cuda'")
        return {"num_cpus": self._cpus, "num_gpus": gpus}

    def _tell(self, reference: Any) -> list[tuple[int, SweepEvent | Ended]]:
        """What a reference that is ready holds."""
        assert self._session is not None
        ray, errors = self._session.ray, self._session.errors
        if reference not in self._jobs:
            try:
                steps = ray.get(reference)
            except errors.RayError:  # the actor died: go on without progress
                self._heard = None
                return []
            self._heard = self._steps.take.remote()
            # A step may be overtaken by the end of its job, which is the last word.
            flying = {number for number, _ in self._jobs.values()}
            return [(number, step) for number, step in steps if number in flying]
        number, job = self._jobs.pop(reference)
        try:
            return [*((number, event) for event in ray.get(reference)), (number, Ended("ended"))]
        except (errors.RayTaskError, errors.RuntimeEnvSetupError) as error:
            # The task cannot even begin, as without this package: it would not next time.
            message = one_line(getattr(error, "cause", None) or error)
            lost = [(number, SweepEvent("error", c, message=message)) for c in job.configs]
            return [*lost, (number, Ended("ended"))]
        except errors.RayError as error:  # WorkerCrashed, OutOfMemory, NodeDied, ObjectLost, ...
            return [(number, Ended(type(error).__name__))]
