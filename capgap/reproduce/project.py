"""The clone around the package: its simulation scripts and measured runs."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import capgap
from capgap.errors import InputError

__all__ = ["find_project", "load_script", "theory_scripts"]

MARK = Path("simulations") / "measured_runs.toml"


def find_project(given: Path | None = None) -> Path:
    """The folder of the clone: the one given, the working directory, or the package's own.

    Raises
    ------
    InputError
        None of them holds ``simulations/measured_runs.toml``.
    """
    places = [given] if given else [Path.cwd(), Path(capgap.__file__).resolve().parents[1]]
    for place in places:
        if (place / MARK).is_file():
            return place
    raise InputError(
        f"reproduce: no {MARK} in {' or '.join(str(p) for p in places)}; run it in a clone of the"
        " project, or name one with --project"
    )


def theory_scripts(project: Path) -> Iterator[Path]:
    """Scripts that draw theory alone: no fits of runs, no studies that take hours."""
    for path in sorted((project / "simulations").glob("*.py")):
        if not path.name.startswith(("measured_", "study_")):
            yield path


def load_script(path: Path) -> ModuleType:
    """Import a simulation script from its file."""
    spec = importlib.util.spec_from_file_location(f"capgap_simulation_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"reproduce: {path} is not a Python script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
