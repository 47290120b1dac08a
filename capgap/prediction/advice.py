"""Should I distil? The verdict on a gain and its interval, and a sentence that says why."""

from dataclasses import dataclass
from typing import Literal

from capgap.counts import short
from capgap.prediction.allocation import Allocations
from capgap.prediction.flat import SLACK, FlatRanges
from capgap.theory.law_set import Interval

__all__ = ["Advice", "Verdict", "advise_plan", "advise_prediction", "describe_teacher", "judge"]

Verdict = Literal["distil", "train alone", "undecided"]
_START = {"distil": "Distil", "train alone": "Train alone", "undecided": "Undecided"}
_FLAT = 1.3  # a range of teacher sizes below this factor is no choice worth a mention


@dataclass(frozen=True, slots=True)
class Advice:
    """A verdict, what it rests on, and one sentence for people.

    `gain` is the loss of the student trained alone minus that of the taught one, nats per
    token; `interval` its interval over the draws, None if there is none.
    """

    verdict: Verdict
    gain: float
    interval: Interval | None
    text: str


def judge(gain: float, interval: Interval | None, *, least: float = SLACK) -> Verdict:
    """Distil, train alone, or undecided.

    Undecided where the interval of the gain contains 0 or is unknown, or where the gain is
    smaller than `least` nats, which seeds alone exceed.

    Examples
    --------
    >>> judge(0.05, (0.01, 0.09)), judge(-0.05, (-0.09, -0.01)), judge(0.05, (-0.01, 0.1))
    ('distil', 'train alone', 'undecided')
    >>> judge(0.0009, (0.0008, 0.001))
    'undecided'
    """
    if interval is None or interval[0] <= 0 <= interval[1] or abs(gain) < least:
        return "undecided"
    return "distil" if gain > 0 else "train alone"


def describe_teacher(N_T: float, D_T: float, L_T: float) -> str:
    """A teacher in a few words; nan where a number is undecided.

    >>> describe_teacher(3e9, 6e10, 2.1), describe_teacher(float("nan"), float("nan"), 2.1)
    ('a teacher of 3B parameters and 60B tokens (2.100 nats)', 'a teacher at 2.100 nats')
    """
    if N_T != N_T:
        return f"a teacher at {L_T:.3f} nats"
    tokens = "" if D_T != D_T else f" and {short(D_T)} tokens"
    return f"a teacher of {short(N_T)} parameters{tokens} ({L_T:.3f} nats)"


def advise_prediction(
    teacher: str, D_S: float, gain: float, interval: Interval | None, level: float,
    notes: tuple[str, ...] = (),
) -> Advice:  # fmt: skip
    """Advice on one teacher and one number of tokens; nobody's costs are counted.

    >>> print(advise_prediction("a teacher at 2.100 nats", 2e10, 0.04, (0.02, 0.05), 0.9).text)
    Distil: on 20B tokens a teacher at 2.100 nats gains 0.040 nats over training alone \
(90% interval 0.020 to 0.050).
    """
    verdict = judge(gain, interval)
    what = _against_alone(verdict, f"on {short(D_S)} tokens {teacher}", gain, interval, level)
    return Advice(verdict, gain, interval, _sentence(verdict, what, notes))


def advise_plan(
    plan: Allocations, gain: float, interval: Interval | None, level: float, *,
    flat: FlatRanges | None = None, notes: tuple[str, ...] = (), name: str = "",
) -> Advice:  # fmt: skip
    """Advice on an allocation (without dimensions) against the same FLOPs without a teacher.

    Parameters
    ----------
    plan : Allocations
    gain, interval, level
        Of the gain over training alone, and the level of its interval.
    flat : FlatRanges, optional
        Mentioned where other teachers do as well.
    notes : tuple of str
        Reasons for caution, each a clause.
    name : str
        Of the teacher, if it has one.
    """
    L_T, N_T, D_T, D_S = (float(part) for part in (plan.L_T, plan.N_T, plan.D_T, plan.D_S))
    undecided = plan.scenario == "best" and not name
    none = float("nan")
    teacher = describe_teacher(none if undecided else N_T, D_T, L_T)
    teacher = f"{name!r}, {teacher}," if name else teacher
    verdict = judge(gain, interval)
    subject = f"{teacher} on {short(D_S)} student tokens"
    clauses = notes if flat is None else (*_flat_clause(flat), *notes)
    if verdict == "train alone":
        subject = f"even the best choice, {subject},"
    what = _against_alone(verdict, subject, gain, interval, level)
    return Advice(verdict, gain, interval, _sentence(verdict, what, clauses))


def _against_alone(
    verdict: Verdict, subject: str, gain: float, interval: Interval | None, level: float
) -> str:
    if verdict != "undecided":
        sign, word, over = (1, "gains", "over") if gain > 0 else (-1, "loses", "against")
        within = _within(interval, level, sign)
        return f"{subject} {word} {abs(gain):.3f} nats {over} training alone{within}"
    size = f"{gain:+.3f}" if abs(gain) >= SLACK else f"{gain:+.4f}"
    told = f"{subject} is worth {size} nats against training alone{_within(interval, level, 1)}"
    if interval is None:
        return f"{told}, and nothing is known of the error"
    return told + (", too little to matter" if abs(gain) < SLACK else ", so its sign is not sure")


def _within(interval: Interval | None, level: float, sign: int) -> str:
    if interval is None:
        return ""
    low, high = sorted(sign * end for end in interval)
    return f" ({100 * level:g}% interval {low:.3f} to {high:.3f})"


def _flat_clause(flat: FlatRanges) -> tuple[str, ...]:
    if flat.N_T is not None and flat.factor("N_T") >= _FLAT:
        low, high = flat.N_T
        return (
            f"teachers of {short(low)} to {short(high)} parameters come within {flat.slack:g} nats"
            " of it",
        )
    if flat.N_T is None:
        low, high = flat.L_T
        return (f"teachers at {low:.3f} to {high:.3f} nats come within {flat.slack:g} nats of it",)
    return ()


def _sentence(verdict: Verdict, what: str, clauses: tuple[str, ...]) -> str:
    return "; ".join((f"{_START[verdict]}: {what}", *clauses)) + "."
