"""The runs of a folder of this project's run records."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capgap.comparison.tables.columns import listing
from capgap.comparison.tables.filters import Filter, NotANumber
from capgap.comparison.tables.run_table import RunTable
from capgap.comparison.tables.run_tables import RunTables
from capgap.errors import InputError
from capgap.measurement.records import RunRecord, RunStore

__all__ = ["read_folder"]

# Distillations follow one law where the student learns from the teacher alone, at its own
# temperature, by the paper's loss (`RunConfig.recipe`); other settings are other experiments,
# which are read where a filter names one of these.
PURE = ("distillation_weight", "temperature", "divergence")


def read_folder(folder: Path, filters: Sequence[Filter] = ()) -> RunTables:
    """Both tables of a folder of run records.

    Failed runs are counted and never used. Students that did not learn from the teacher
    alone (lambda = 1, tau = 1) are left out unless a filter names ``distillation_weight`` or
    ``temperature``. Filters may name any number or text of a record (``N``, ``D``, ``loss``,
    ``L_T``, ``unique_tokens``, ``flops``, ``bits_per_byte``) or of its configuration
    (``depth``, ``seed``, ``half``): ``depth>=2`` leaves out models with one layer, which do
    not lie on the law of the deeper ones.

    Raises
    ------
    InputError
        No record, a damaged record, records of several texts, or none that the filters keep.
    """
    records = list(RunStore(folder))
    if not records:
        raise InputError("holds no run records (<id>.json), must hold some")
    failed = sum(record.status != "ok" or record.loss is None for record in records)
    good = [(i + 1, r) for i, r in enumerate(records) if r.status == "ok" and r.loss is not None]
    kept = [(row, record) for row, record in good if _kept(row, record, filters)]
    named = {condition.column for condition in filters}
    pure = [pair for pair in kept if named & set(PURE) or _is_pure(pair[1])]
    texts = sorted({record.config.corpus for _, record in pure})
    if len(texts) > 1:
        raise InputError(f"has runs on {len(texts)} texts, whose losses cannot be compared;"
                         f" choose one: corpus={' or corpus='.join(texts)}")  # fmt: skip
    if not pure:
        wish = " and ".join(map(str, filters))
        raise InputError(f"has no usable run among {len(records)}" + (f" with {wish}" * bool(wish)))
    own = [pair for pair in pure if pair[1].config.teacher is None]
    taught = [pair for pair in pure if pair[1].config.teacher is not None]
    return RunTables(
        source=str(folder),
        supervised=_table(own, f"{folder}, supervised") if own else None,
        taught=_table(taught, f"{folder}, students") if taught else None,
        failed=failed,
        notes=_notes(failed, len(good) - len(kept), len(kept) - len(pure), pure),
    )


def _kept(row: int, record: RunRecord, filters: Sequence[Filter]) -> bool:
    fields = _fields(record)
    for condition in filters:
        other = condition.other
        for name in (condition.column, *([other] if other else [])):
            if name not in fields:
                raise InputError(f"no field {name!r} to filter by ({listing(sorted(fields))})")
        try:
            others = [fields[other]] if other else None
            if not condition.keep([fields[condition.column]], others)[0]:
                return False
        except NotANumber as error:
            raise InputError(f"run {row}, filter {condition}: {error}") from None
    return True


def _fields(record: RunRecord) -> dict[str, Any]:
    """What a filter can name: plain values of the configuration and of the record."""
    found = {f.name: getattr(record.config, f.name) for f in dataclasses.fields(record.config)}
    for f in dataclasses.fields(record):
        found[f.name] = getattr(record, f.name)
    found["id"] = record.id
    return {k: v for k, v in found.items() if v is None or isinstance(v, (str, int, float))}


def _is_pure(record: RunRecord) -> bool:
    return record.config.recipe != "other"


def _table(pairs: Sequence[tuple[int, RunRecord]], source: str) -> RunTable:
    records = [record for _, record in pairs]
    errors = [record.standard_error for record in records]
    teachers = [record.L_T for record in records]
    return RunTable(
        N=_array([record.N for record in records]),
        D=_array([record.D for record in records]),
        loss=_array([record.loss for record in records]),
        L_T=None if records[0].config.teacher is None else _array(teachers),
        standard_error=None if None in errors else _array(errors),
        row=np.array([row for row, _ in pairs]),
        source=source,
    )


def _array(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def _notes(
    failed: int, filtered: int, mixed: int, used: Sequence[tuple[int, RunRecord]]
) -> tuple[str, ...]:
    shallow = sum(record.config.depth == 1 for _, record in used)
    counts = (
        (failed, "failed and are not used"),
        (filtered, "do not fulfil the filters and are not used"),
        (mixed, "are not of the paper's recipe (lambda = 1, tau = 1, forward KL) and are not used"),
        (shallow, "are of models with one layer, often off the law: depth>=2 leaves them out"),
    )
    return tuple(f"{count} runs {what}" for count, what in counts if count)
