"""Where the runs of a sweep are made: processes of this machine, or tasks of a Ray cluster.

An engine (`interface`) starts jobs and tells what becomes of them; nothing else. Which run
is next, how often it is tried and when it is given up is decided in one place for all
engines (`scheduling`), and what a worker does is the same everywhere (`work`): it calls
`capgap.measurement.runs.execute`, which keeps a finished run as a record and an unfinished
one as a checkpoint. So a sweep that was killed goes on where it was, on any engine.

============  ==============================================================================
`local`       a process per run on this machine (the default)
`ray_tasks`   a Ray task per run, with a share of a GPU if wanted (extra ``cluster``)
`shares`      no engine of its own: independent sweeps, each making its share of the plan,
              meet in one folder of records. For clusters without Ray: see ``slurm.md``
============  ==============================================================================
"""

from capgap.errors import InputError
from capgap.measurement.engines.interface import Ended, Engine, Job, SweepEvent, Workplace

__all__ = ["ENGINES", "Ended", "Engine", "Job", "SweepEvent", "Workplace", "make_engine"]

ENGINES = ("local", "ray")


def make_engine(
    name: str,
    *,
    processes: int | None = None,
    cpus_per_run: float | None = None,
    gpus_per_run: float | None = None,
    address: str | None = None,
) -> Engine:
    """The engine of a name.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    processes : int or None
        Runs at a time, at most. None: the cores of this machine ("local"), or as many as the
        cluster has room for ("ray").
    cpus_per_run, gpus_per_run, address
        Of "ray" alone; see `capgap.measurement.engines.ray_tasks.RayEngine`.

    Raises
    ------
    InputError
        Unknown name, a count below 1, or an option that the engine does not have.
    """
    from capgap.measurement.engines.local import LocalEngine
    from capgap.measurement.engines.ray_tasks import RayEngine

    if name == "ray":
        return RayEngine(
            processes=processes,
            cpus_per_run=1.0 if cpus_per_run is None else cpus_per_run,
            gpus_per_run=gpus_per_run,
            address=address,
        )
    if name != "local":
        raise InputError(f"sweep: engine = {name!r} must be one of {', '.join(ENGINES)}")
    options = {"cpus_per_run": cpus_per_run, "gpus_per_run": gpus_per_run, "address": address}
    for option, value in options.items():
        if value is not None:
            raise InputError(f"sweep: {option} = {value} needs the engine ray")
    return LocalEngine(processes)
