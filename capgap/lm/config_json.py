"""Configurations of runs as JSON and TOML values, and back."""

import dataclasses
from typing import Any

from capgap.errors import InputError
from capgap.lm.adaptive import AdaptiveCompute
from capgap.lm.config import RunConfig, TeacherShare
from capgap.lm.external import ExternalModel
from capgap.lm.objective import TemperatureSchedule, WeightSchedule
from capgap.lm.teacher_outputs import TeacherOutputs

__all__ = ["build", "plain"]

# Settings that came after the first runs were recorded.
LATER = frozenset(
    (
        "data_seed", "divergence", "jsd_beta", "temperature_schedule", "weight_schedule",
        "further_teachers", "teacher_outputs", "adaptive",
    )
)  # fmt: skip

_NESTED: dict[str, type] = {
    "temperature_schedule": TemperatureSchedule,
    "weight_schedule": WeightSchedule,
    "teacher_outputs": TeacherOutputs,
    "adaptive": AdaptiveCompute,
}


def plain(value: Any) -> Any:
    """A setting as JSON."""
    if isinstance(value, RunConfig):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in LATER or getattr(value, field.name) != field.default
        }
    if isinstance(value, tuple):
        return [plain(member) for member in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def build(kind: Any, operation: str, values: dict[str, Any]) -> Any:
    """A record from JSON or TOML, its nested records first."""
    fields = dataclasses.fields(kind)
    unknown = sorted(set(values) - {field.name for field in fields})
    if unknown:
        known = ", ".join(sorted(field.name for field in fields))
        raise InputError(f"{operation}: unknown setting {', '.join(unknown)}; known: {known}")
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    missing = sorted(needed - set(values))
    if missing:
        raise InputError(f"{operation}: missing setting {', '.join(missing)}")
    for field in fields:
        if field.name not in values:
            continue
        value = values[field.name]
        if "float" in str(field.type) and isinstance(value, int) and not isinstance(value, bool):
            # TOML and JSON write 1 for 1.0; the id must not depend on that.
            values[field.name] = float(value)
        else:
            values[field.name] = _nested(field.name, value)
    return kind(**values)


def _nested(name: str, value: Any) -> Any:
    """A nested record, where one stands for it."""
    if name == "teacher_outputs" and isinstance(value, str):
        return TeacherOutputs.parse(value)
    if name == "teacher" and isinstance(value, dict):
        kind = ExternalModel if "sha256" in value else RunConfig
        return build(kind, "run" if kind is RunConfig else "external model", {**value})
    if name == "further_teachers" and isinstance(value, list | tuple):
        return tuple(
            build(TeacherShare, "teacher share", {**v}) if isinstance(v, dict) else v for v in value
        )
    if name in _NESTED and isinstance(value, dict):
        return build(_NESTED[name], name.replace("_", " "), {**value})
    if name in _NESTED and value is not None and not isinstance(value, _NESTED[name]):
        raise InputError(f"run: {name} = {value!r} must be a table of settings")
    return value
