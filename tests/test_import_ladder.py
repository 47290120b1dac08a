"""Each room of the package imports only what stands below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import capgap

PACKAGE = Path(capgap.__file__).parent

# Room -> rooms it may import, beside itself and the bottom rung.
BOTTOM = {"errors", "files", "counts", "compute", "storage", "spectrum", ""}
LADDER: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "counts": set(),
    "compute": set(),
    "storage": set(),
    "spectrum": set(),
    "": set(),
    "theory": set(),
    "prediction": {"theory"},
    "lm": set(),
    "measurement": {"lm"},
    # Sampled kernel models are free of torch unless asked for it, like the records.
    "comparison": {"theory", "prediction", "measurement.records", "measurement.kernel"},
    "plotting": {"theory", "comparison", "measurement.records", "measurement.calibration"},
    "report": {"plotting", "comparison", "measurement.records", "theory"},
    "reproduce": {"theory", "prediction", "lm", "measurement", "comparison", "plotting", "report"},
    "__main__": {"cli"},
    "cli": {"theory", "prediction", "lm", "measurement", "comparison", "plotting", "reproduce"},
}
TORCH_ROOMS = {"lm"}
# Rooms above lm may name torch inside a function, where a run is made.
LAZY_TORCH_ROOMS = {"measurement", "cli"}
MATPLOTLIB_ROOMS = {"plotting"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> list[tuple[str, bool]]:
    """Imported modules, and whether the import stands at the top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module and node.module.split(".")[0] == "capgap":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name, id(node) in top) for name in names]
    return found


def violations(path: Path, room: str) -> list[str]:
    allowed = LADDER[room] | BOTTOM | {room}
    bad = []
    for name, at_top in imports(path):
        parts = name.split(".")
        if parts[0] == "capgap" and len(parts) > 1:
            target = ".".join(parts[1:])
            is_top_name = len(parts) == 2 and not (PACKAGE / parts[1]).exists()
            is_top_name = is_top_name and not (PACKAGE / f"{parts[1]}.py").exists()
            covered = any(target == a or target.startswith(f"{a}.") for a in allowed if a)
            if not covered and not is_top_name:
                bad.append(f"{path.name} imports {name}")
        if parts[0] in ("torch", "safetensors"):
            lazy = room in LAZY_TORCH_ROOMS and not at_top
            if room not in TORCH_ROOMS and not lazy:
                bad.append(f"{path.name} imports {name}")
        if parts[0] == "matplotlib" and room not in MATPLOTLIB_ROOMS:
            bad.append(f"{path.name} imports {name}")
    return bad


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_what_stands_below_it(path: Path) -> None:
    assert violations(path, room_of(path)) == []


def test_the_check_sees_violations(tmp_path: Path) -> None:
    """Negative control: theory importing measurement, torch and matplotlib is caught."""
    file = tmp_path / "made_up.py"
    file.write_text(
        "import torch\nimport matplotlib.pyplot\nimport numpy\n"
        "from capgap.measurement.runs import execute\nfrom capgap.compute import run_flops\n"
    )
    assert len(violations(file, "theory")) == 3
    assert len(violations(file, "lm")) == 2


HEAVY = ["torch", "matplotlib"]


@pytest.mark.parametrize(
    "module",
    ["capgap", "capgap.comparison.fitting.fit", "capgap.measurement.records", "capgap.cli"],
)
def test_import_loads_neither_torch_nor_matplotlib(module: str) -> None:
    code = f"import {module}, sys; print([m for m in {HEAVY} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stderr == ""
    assert answer.stdout.strip() == "[]"
