"""A connection to a Ray cluster, and a cluster of this machine where there is none."""

import importlib
import importlib.util
import logging
import os
import socket
import sys
import threading
from typing import Any, TextIO

from capgap.errors import CapgapError, InputError
from capgap.measurement.engines.work import one_line

__all__ = ["Session"]


class Session:
    """Ray, connected; `close` takes back what was done here, and nothing else.

    Parameters
    ----------
    address : str or None
        Of the cluster. None: the one of ``RAY_ADDRESS``, else one that was started on this
        machine, else a new one. "local": a new one.

    Attributes
    ----------
    ray, errors : module
        ``ray`` and ``ray.exceptions``, imported only now.

    Raises
    ------
    CapgapError
        Ray is not installed, or no cluster answers at the address.
    """

    def __init__(self, address: str | None = None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise CapgapError("sweep: the engine ray needs ray: pip install 'capgap[cluster]'")
        self.ray: Any = importlib.import_module("ray")
        self.errors: Any = importlib.import_module("ray.exceptions")
        self._ours = not self.ray.is_initialized()
        self._stdout = sys.stdout
        if self._ours:
            sys.stdout = _WithoutRay(sys.stdout)
            self._connect(address)

    def require(self, needed: dict[str, float]) -> None:
        """Refuse what no machine of the cluster has: Ray would wait for it without end."""
        machines = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
            most = max((machine.get(resource, 0.0) for machine in machines), default=0.0)
            if needed[option] > most:
                raise InputError(
                    f"sweep: {resource.lower()}s_per_run = {needed[option]:g} must be at most"
                    f" {most:g}, what the largest machine of the Ray cluster has"
                )

    def close(self) -> None:
        """Disconnect; a cluster that was started here is shut down."""
        if not self._ours:
            return
        self._ours = False
        self.ray.shutdown()
        if isinstance(sys.stdout, _WithoutRay):
            sys.stdout = self._stdout

    def _connect(self, address: str | None) -> None:
        try:
            _knock(address or os.environ.get("RAY_ADDRESS"))
            self.ray.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, RuntimeError, ValueError) as error:
            where = address or os.environ.get("RAY_ADDRESS", "this machine")
            self.close()
            raise CapgapError(f"sweep: no Ray cluster at {where}: {one_line(error)}") from None


def _knock(address: str | None) -> None:
    """Raise an OSError where nobody listens: Ray would go on trying for many minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


class _WithoutRay:
    """Standard output without what Ray's threads write there, even with its log off.

    They tell at length that a worker died; the sweep tells it in its own way, and its
    standard output may be JSON for another program.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
