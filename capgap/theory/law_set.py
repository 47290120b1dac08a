"""A supervised and a distillation law that belong together, with what is known of their errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.product_form import ProductForm
from capgap.theory.protocols import SupervisedForm, TaughtForm
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Interval", "LawSet", "Laws", "coefficients_of", "load_law_set", "save_law_set"]

Interval = tuple[float, float]

FORMAT = "capgap laws 1"
SUPERVISED = {"supervised": SupervisedLaw, "product": ProductForm}
TAUGHT = {
    "eq8": DistillationLaw,
    "eq8-reduced": ReducedDistillationLaw,
    "eq8-power": PowerDistillationLaw,
    "hinge": HingeLaw,
    "hinge-additive": AdditiveHingeLaw,
}
NESTED = {"supervised", "student"}
RANGES = ("N_S", "D_S", "L_T", "L_S")
_STANDARD_NORMAL_95 = 1.6448536269514722  # Phi^-1(0.95): half-width of a 90% interval


@dataclass(frozen=True, slots=True)
class Laws:
    """The loss of a student alone (and of any teacher), and the loss of a taught student."""

    supervised: SupervisedForm
    taught: TaughtForm | None = None


@dataclass(frozen=True, slots=True)
class LawSet:
    """Laws with the intervals of their coefficients, where they hold, and their source.

    Parameters
    ----------
    name : str
    laws : Laws
        `taught` is None for a set that describes training on data only.
    source : str
        Where the numbers come from, in a sentence.
    intervals : mapping of str to (low, high)
        90% intervals by coefficient, named as in `coefficients_of`: ``supervised.E``,
        ``taught.c0``, ``taught.student.A``. A coefficient without one is taken as exact.
    draws : tuple of Laws
        Joint draws of all coefficients (bootstrap refits); where there are some, they are
        used instead of the intervals, because they know how the coefficients move together.
    fitted : mapping of str to (low, high)
        Ranges of N_S, D_S, L_T and L_S of the runs behind the fit.
    family : ModelFamily
        The transformers whose FLOPs are counted.
    """

    name: str
    laws: Laws
    source: str
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    draws: tuple[Laws, ...] = ()
    fitted: Mapping[str, Interval] = field(default_factory=dict)
    family: ModelFamily = field(default_factory=ModelFamily)

    def __post_init__(self) -> None:
        known = coefficients_of(self.laws)
        for name, (low, high) in self.intervals.items():
            if name not in known:
                raise InputError(f"LawSet: interval of {name!r} is of no coefficient of its laws")
            if not low <= high:
                raise InputError(
                    f"LawSet: interval of {name} = ({low:g}, {high:g}) must be ordered"
                )
        for name in self.fitted:
            if name not in RANGES:
                raise InputError(f"LawSet: fitted {name!r} must be one of {', '.join(RANGES)}")

    @property
    def taught(self) -> TaughtForm:
        """The distillation law.

        Raises
        ------
        InputError
            The set has none.
        """
        if self.laws.taught is None:
            raise InputError(f"law set {self.name!r} has no distillation law")
        return self.laws.taught

    @property
    def supervised(self) -> SupervisedForm:
        """The supervised law, of teachers and of students alone."""
        return self.laws.supervised

    def sample(self, count: int, seed: int) -> tuple[Laws, ...]:
        """Laws that are compatible with what is known: `count` draws of all coefficients.

        From the joint `draws` where there are some (with replacement when `count` exceeds
        them). Otherwise each coefficient is drawn from a normal with its 90% interval, of
        its logarithm if the interval is positive, around its value and **independently**:
        marginal intervals say nothing about how coefficients move together. Scales and
        exponents of a power-law fit are strongly correlated, and drawing them independently
        makes predictions within the fitted range look *less* certain than they are.
        """
        rng = np.random.default_rng(seed)
        if self.draws:
            pick = rng.choice(len(self.draws), count, replace=count > len(self.draws))
            return tuple(self.draws[i] for i in pick)
        values = coefficients_of(self.laws)
        drawn = {
            name: _draw(rng, value, self.intervals.get(name), count)
            for name, value in values.items()
        }
        return tuple(
            _with_coefficients(self.laws, {name: float(row[i]) for name, row in drawn.items()})
            for i in range(count)
        )

    def outside(self, **values: float) -> tuple[str, ...]:
        """Say which values (N_S=, D_S=, L_T=, L_S=) lie outside the fitted ranges, and how far.

        >>> from capgap.theory.coefficients import law_set
        >>> law_set("reconstructed").outside(N_S=1e9, D_S=1e13)
        ('D_S = 1e+13 is above the fitted range 2e+09 to 5.12e+11 (19.5 times)',)
        """
        found = []
        for name, value in values.items():
            low, high = self.fitted.get(name, (0.0, np.inf))
            side, factor = ("below", low / value) if value < low else ("above", value / high)
            if factor > 1:
                found.append(
                    f"{name} = {value:.4g} is {side} the fitted range {low:.4g} to {high:.4g}"
                    f" ({factor:.3g} times)"
                )
        return tuple(found)


def coefficients_of(laws: Laws) -> dict[str, float]:
    """All coefficients of both laws under flat names.

    >>> own = SupervisedLaw(E=1.0, A=2.0, B=3.0, alpha=0.5, beta=0.5)
    >>> list(coefficients_of(Laws(own)))[:2]
    ['supervised.E', 'supervised.A']
    """
    found = _flat("supervised", laws.supervised)
    if laws.taught is not None:
        found |= _flat("taught", laws.taught)
    return found


def to_dict(chosen: LawSet) -> dict[str, Any]:
    """A law set as plain JSON values; `from_dict` reads it back to the same numbers."""
    record: dict[str, Any] = {"format": FORMAT, "name": chosen.name, "source": chosen.source}
    record["laws"] = {"supervised": _kind(SUPERVISED, chosen.supervised)}
    if chosen.laws.taught is not None:
        record["laws"]["taught"] = _kind(TAUGHT, chosen.laws.taught)
    record["coefficients"] = coefficients_of(chosen.laws)
    record["intervals"] = {name: list(pair) for name, pair in chosen.intervals.items()}
    record["fitted"] = {name: list(pair) for name, pair in chosen.fitted.items()}
    record["family"] = {f.name: getattr(chosen.family, f.name) for f in fields(chosen.family)}
    rows = [coefficients_of(laws) for laws in chosen.draws]
    record["draws"] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return record


def from_dict(record: Mapping[str, Any]) -> LawSet:
    """The law set of a record made by `to_dict`.

    Raises
    ------
    InputError
        The record is not of this format, or a part of it is missing or impossible.
    """
    if not isinstance(record, Mapping) or record.get("format") != FORMAT:
        raise InputError(f"law set: format must be {FORMAT!r}")
    try:
        template = _template(record["laws"], record["coefficients"])
        draws = record.get("draws", {})
        count = {len(column) for column in draws.values()}
        if len(count) > 1:
            raise InputError("law set: the columns of draws must have one length")
        rows = range(count.pop() if count else 0)
        return LawSet(
            name=str(record["name"]),
            laws=template,
            source=str(record["source"]),
            intervals=_pairs(record.get("intervals", {})),
            draws=tuple(
                _template(record["laws"], {name: column[i] for name, column in draws.items()})
                for i in rows
            ),
            fitted=_pairs(record.get("fitted", {})),
            family=ModelFamily(**record.get("family", {})),
        )
    except KeyError as error:
        raise InputError(f"law set: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"law set: {error}") from None


def save_law_set(chosen: LawSet, path: Path) -> None:
    """Write a law set as JSON, whole or not at all."""
    text = json.dumps(to_dict(chosen), indent=1, allow_nan=False) + "\n"
    write_atomically(path, text.encode())


def load_law_set(path: Path) -> LawSet:
    """Read a law set written by `save_law_set`, or by hand in its format.

    Raises
    ------
    InputError
        There is no such file, it is not JSON, or not a law set.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"law set: {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"law set: {path} is not JSON: {error}") from None
    try:
        return from_dict(record)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _draw(
    rng: np.random.Generator, value: float, interval: Interval | None, count: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    noise = rng.standard_normal(count)  # always drawn: a coefficient without error shifts no other
    if interval is None:
        return np.full(count, value)
    low, high = interval
    if low > 0 and value > 0:
        spread = np.log(high / low) / (2 * _STANDARD_NORMAL_95)
        return np.asarray(value * np.exp(spread * noise))
    return np.asarray(value + (high - low) / (2 * _STANDARD_NORMAL_95) * noise)


def _flat(prefix: str, law: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for entry in fields(law):
        value = getattr(law, entry.name)
        if entry.name == "supervised":
            continue  # the set's own supervised law, named there
        if entry.name in NESTED:
            found |= _flat(f"{prefix}.{entry.name}", value)
        else:
            found[f"{prefix}.{entry.name}"] = float(value)
    return found


def _kind(kinds: Mapping[str, type], law: object) -> str:
    for name, kind in kinds.items():
        if type(law) is kind:
            return name
    raise InputError(f"law set: {type(law).__name__} cannot be saved: it is not one of {[*kinds]}")


def _template(kinds: Mapping[str, str], coefficients: Mapping[str, float]) -> Laws:
    supervised = _build(SUPERVISED, kinds["supervised"], "supervised.", coefficients, None)
    taught = None
    if "taught" in kinds:
        taught = _build(TAUGHT, kinds["taught"], "taught.", coefficients, supervised)
    return Laws(supervised, taught)


def _build(
    kinds: Mapping[str, type],
    kind: str,
    prefix: str,
    coefficients: Mapping[str, float],
    supervised: SupervisedForm | None,
) -> Any:
    if kind not in kinds:
        raise InputError(f"law set: law {kind!r} must be one of {', '.join(kinds)}")
    given = {
        name.removeprefix(prefix): float(value)
        for name, value in coefficients.items()
        if name.startswith(prefix)
    }
    arguments: dict[str, Any] = {name: v for name, v in given.items() if "." not in name}
    names = {entry.name for entry in fields(kinds[kind])}
    if "student" in names:
        inner = {name.removeprefix("student."): v for name, v in given.items() if "." in name}
        arguments["student"] = SupervisedLaw(**inner)
    if "supervised" in names:
        arguments["supervised"] = supervised
    return kinds[kind](**arguments)


def _with_coefficients(laws: Laws, values: Mapping[str, float]) -> Laws:
    kinds = {"supervised": _kind(SUPERVISED, laws.supervised)}
    if laws.taught is not None:
        kinds["taught"] = _kind(TAUGHT, laws.taught)
    return _template(kinds, values)


def _pairs(record: Mapping[str, Any]) -> Mapping[str, Interval]:
    return MappingProxyType(
        {name: (float(low), float(high)) for name, (low, high) in record.items()}
    )
