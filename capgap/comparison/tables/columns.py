"""Which column of a table is which quantity, and what to say when one is missing."""

import csv
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capgap.errors import InputError

__all__ = ["COUNTS", "ColumnPlan", "listing", "parse_columns", "plan_columns"]

# Students are runs too: inside, one name for each quantity.
SAME = {"N_S": "N", "D_S": "D", "L_S": "loss"}
TAUGHT_NAMES = {"N": "N_S", "D": "D_S", "loss": "L_S"}
OPTIONAL = ("standard_error", "cell")
QUANTITIES = ("N", "D", "C", "loss", "N_S", "D_S", "L_T", "L_S")
TARGETS = (*QUANTITIES, "standard_error", "lower_95", "upper_95", "cell")
# Quantities that people write as 300M or 7.5k.
COUNTS = frozenset({"N", "D", "C"})
SHOWN = 20  # columns listed in a message

# What people call these columns, compared without case, blanks and signs.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "N": ("params_no_embed", "non_embedding_params", "params", "n_params", "num_params",
          "parameters", "model_size", "size", "params_active_precise"),
    "D": ("tokens", "train_tokens", "training_tokens", "n_tokens", "num_tokens", "data"),
    "C": ("flops", "training_flop", "training_flops", "compute"),
    "loss": ("val_loss", "validation_loss", "final_loss", "eval_loss", "test_loss", "L",
             "cross_entropy", "nll", "train_loss"),
    "L_T": ("teacher_loss", "loss_teacher", "teacher_val_loss", "lt"),
    "standard_error": ("se", "stderr", "sem"),
    "cell": ("group", "run_name"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Where each quantity of a run stands in a table.

    Attributes
    ----------
    taught : bool
        Whether the runs have teachers.
    columns : mapping
        Quantity (N, D or C, loss, L_T, standard_error or lower_95 and upper_95, cell) to the
        name of its column.
    """

    taught: bool
    columns: Mapping[str, str]

    def column(self, name: str, names: Sequence[str]) -> str:
        """The column that a filter means by `name`: a column, or else a quantity's."""
        found = name if name in names else self.columns.get(SAME.get(name, name))
        if found is None:
            raise InputError(f"no column {name!r} to filter by ({listing(names)})")
        if (count := list(names).count(found)) > 1:
            raise InputError(f"{count} columns are called {found!r}, must be one")
        return found


def parse_columns(text: str) -> dict[str, str]:
    """Read ``N=params,D=tokens,loss=val_loss``; a name with a comma is quoted as in CSV.

    Raises
    ------
    InputError
        A part is not QUANTITY=COLUMN, or a quantity is unknown or named twice.

    Examples
    --------
    >>> parse_columns("N=params,C=Training FLOP,loss=val_loss")
    {'N': 'params', 'C': 'Training FLOP', 'loss': 'val_loss'}
    """
    found: dict[str, str] = {}
    for part in next(csv.reader([text], skipinitialspace=True), []):
        quantity, equals, column = (piece.strip() for piece in part.partition("="))
        if not (quantity and equals and column):
            raise InputError(f"columns: {part!r} must be QUANTITY=COLUMN, as in N=params")
        if quantity in found:
            raise InputError(f"columns: {quantity} is named twice in {text!r}")
        found[quantity] = column
    _known(found)
    return found


def plan_columns(
    names: Sequence[str], columns: Mapping[str, str] | None = None, taught: bool | None = None
) -> ColumnPlan:
    """Find the columns of a table's quantities.

    Parameters
    ----------
    names : sequence of str
        The table's columns.
    columns : mapping or None
        Quantity to column, for those with another name; ``C`` (training FLOPs) in place of D
        gives D = C / (6 N), and ``lower_95`` with ``upper_95`` the standard error.
    taught : bool or None
        Whether the runs have teachers; None: as the columns have it.

    Raises
    ------
    InputError
        A column is missing, or named twice in the table; the text lists what there is.

    Examples
    --------
    >>> plan_columns(["N_S", "D_S", "L_T", "L_S", "note"]).taught
    True
    >>> plan_columns(["params", "flops", "loss"], {"N": "params", "C": "flops"}).columns
    {'N': 'params', 'C': 'flops', 'loss': 'loss'}
    """
    given = _known(columns or {})
    taught = _taught(names, columns or {}) if taught is None else taught
    if "L_T" in given and not taught:
        raise InputError("column L_T belongs to runs with teachers, must not be given here")
    if "D" in given and "C" in given:
        raise InputError("columns D and C were both given, must be one of them")
    if ("lower_95" in given) != ("upper_95" in given):
        raise InputError("columns lower_95 and upper_95 must be given together")
    if "lower_95" in given and "standard_error" in given:
        raise InputError("columns standard_error and lower_95 were both given, must be one")
    needed = ["N", "C" if "C" in given else "D", "loss", *(["L_T"] if taught else [])]
    found = {
        quantity: given.get(quantity, TAUGHT_NAMES.get(quantity, quantity) if taught else quantity)
        for quantity in needed
    }
    found |= {quantity: column for quantity, column in given.items() if quantity not in found}
    if "lower_95" not in given:
        found |= {q: q for q in OPTIONAL if q in names and q not in found}
    elif "cell" in names:
        found.setdefault("cell", "cell")
    for quantity, column in found.items():
        _present(quantity, column, names, taught)
    return ColumnPlan(taught, found)


def listing(names: Sequence[str]) -> str:
    """The columns there are, for a message."""
    shown = ", ".join(_short(name) for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"columns: {shown}{more}"


def _known(columns: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for quantity, column in columns.items():
        if quantity not in TARGETS:
            raise InputError(f"columns: {quantity!r} must be one of {', '.join(TARGETS)}")
        if SAME.get(quantity, quantity) in found:
            raise InputError(f"columns: {quantity} is given twice, as a run's and a student's")
        found[SAME.get(quantity, quantity)] = column
    return found


def _taught(names: Sequence[str], columns: Mapping[str, str]) -> bool:
    """Whether a table is one of students: by what was mapped, else by which columns it has."""
    if {"N_S", "D_S", "L_S", "L_T"} & set(columns):
        return True
    own = {"N", "D", "loss"} - set(columns)
    students = {"N_S", "D_S", "L_T", "L_S"}
    has_own, has_students = own <= set(names), students <= set(names)
    if has_own and has_students and not columns:
        raise InputError("has N, D, loss and N_S, D_S, L_T, L_S: must be told which to read")
    return not columns and len(students & set(names)) > len(own & set(names))


def _present(quantity: str, column: str, names: Sequence[str], taught: bool) -> None:
    count = list(names).count(column)
    if count == 1:
        return
    if count > 1:
        raise InputError(f"{count} columns are called {column!r}, must be one")
    wanted = TAUGHT_NAMES.get(quantity, quantity) if taught else quantity
    likely = _likely(quantity, column, names)
    hint = (
        f"; perhaps {' or '.join(f'{wanted}={_short(name)}' for name in likely)}" if likely else ""
    )
    if names and all(_is_number(name) for name in names):
        hint = "; the first row must name the columns"
    raise InputError(f"no column {column!r} for {wanted} ({listing(names)}{hint})")


def _likely(quantity: str, column: str, names: Sequence[str]) -> list[str]:
    plain = {_plain(name): name for name in reversed(names) if name}
    student = TAUGHT_NAMES.get(quantity, quantity)
    known = [_plain(word) for word in (column, quantity, student, *SYNONYMS.get(quantity, ()))]
    exact = [plain[word] for word in known if word in plain]
    close = [plain[word] for word in difflib.get_close_matches(_plain(column), plain, 2, 0.75)]
    return list(dict.fromkeys(exact + close))[:2]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _short(name: str) -> str:
    """A name that keeps a message on one line."""
    shown = name if name.isprintable() and name else repr(name)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
