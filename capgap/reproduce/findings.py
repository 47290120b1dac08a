"""What the measured runs say, in sentences."""

from capgap.comparison.held_out import HeldOut
from capgap.comparison.measured import MeasuredLaws
from capgap.plotting.measured import LAW_STYLE
from capgap.reproduce.job import Reproduction

__all__ = ["coverage", "gaps", "held_out", "name", "nats", "noise", "novelty", "shallow", "worth"]


def nats(value: float) -> str:
    """A loss with four digits behind the point."""
    return f"{value:.4f}"


def name(law: str) -> str:
    """A law's name in running text."""
    return LAW_STYLE[law][0]


def novelty(result: Reproduction) -> str:
    """What else is new about the run, against those that the laws were fitted to."""
    runs, D = result.laws.distillation_runs, float(result.taught.D)
    same = [float(d) for d, n in zip(runs.D_S, runs.N_S, strict=True) if n == result.taught.N]
    if not same:
        return ", and none of them has a student of this size"
    if D in same:
        return ""
    between = "between" if min(same) < D < max(same) else "beyond"
    seen = " and ".join(f"{d / 1e6:.1f}M" for d in sorted(set(same)))
    return f"; they have this student at {seen} tokens, so this is a prediction {between} those"


def gaps(laws: MeasuredLaws) -> list[str]:
    """Whether the strongest teacher made a worse student, by paired seeds."""
    lines = []
    for test in laws.gaps:
        if test.low > 0:
            verdict = "a stronger teacher made a worse student"
        elif test.high < 0:
            verdict = "the stronger teacher made the better student"
        else:
            verdict = "the interval contains no difference"
        lines.append(
            f"Is there a capacity gap? Students of {test.N_S:,} parameters on {test.D_S:,} tokens,"
            f" {test.seeds} seeds each: loss with the teacher at {nats(test.L_T_stronger)} minus"
            f" loss with the weaker teacher at {nats(test.L_T_weaker)}:"
            f" {test.difference:+.4f} nats, 90% interval {test.low:+.4f} to {test.high:+.4f}"
            f" (paired over seeds, Student's t): {verdict}."
        )
    return lines


def worth(laws: MeasuredLaws) -> list[str]:
    """What the hinge says a good teacher is worth, in tokens."""
    for fitted in laws.distilled:
        if "tokens" in fitted.fit.coefficients:
            value, (low, high) = (
                fitted.fit.coefficients["tokens"],
                fitted.refits.interval(0.9)["tokens"],
            )
            return [
                f"By the hinge law, a teacher at the corner is worth {value:.2f} times the tokens"
                f" (90% interval {low:.2f} to {high:.2f}): the student does as well as one trained"
                " alone on that much more text."
            ]
    return []


def held_out(laws: MeasuredLaws) -> str:
    """Held-out error of each law of distillation, by student and by teacher."""
    students = ", ".join(_error(law.name, law.held_out) for law in laws.distilled)
    teachers = ", ".join(
        _error(law.name, law.held_out_teacher)
        for law in laws.distilled
        if law.held_out_teacher is not None
    )
    return (
        "How well do the laws foretell runs that they have not seen? Left out one student and"
        f" length of training at a time, the errors are (root mean square): {students}. Left out"
        f" one teacher at a time: {teachers}. Seeds alone make {noise(laws)}. The law that errs"
        " less on new students makes the prediction that counts, since the new run is one."
        f"{_undecided(laws)}"
    )


def _undecided(laws: MeasuredLaws) -> str:
    """A warning where the laws err so little more than seeds that nothing is decided."""
    errors = [law.held_out.root_mean_square for law in laws.distilled]
    if len(errors) > 1 and max(errors) < 1.5 * laws.noise.standard_deviation:
        return " All are close to the noise of seeds: these runs do not tell the laws apart."
    return ""


def _error(law: str, errors: HeldOut) -> str:
    return f"{name(law)} {100 * errors.root_mean_square:.2f}%"


def shallow(laws: MeasuredLaws) -> list[str]:
    """Why one-layer models are not fitted."""
    count = len(laws.shallow_runs.L)
    if not count:
        return []
    return [
        f"{count} runs of models with a single layer are left out of this fit: one attention layer"
        " cannot build on another, and these models do not lie on the law of the deeper ones. With"
        f" them the held-out error (root mean square) would be"
        f" {100 * laws.held_out_with_shallow:.2f}% instead of"
        f" {100 * laws.supervised.held_out.root_mean_square:.2f}%. They still serve as weak"
        " teachers, whose measured loss is all that the laws use."
    ]


def coverage(laws: MeasuredLaws) -> str:
    """How often the 90% intervals held on runs that were left out."""
    shares = ", ".join(
        f"{name(law.name)} {law.coverage:.0%} of {len(law.held_out.error)} runs"
        for law in (laws.supervised, *laws.distilled)
    )
    return (
        "How far can the intervals be trusted? Each size and length was left out in turn, the laws"
        " fitted to the rest, and the left-out runs held against their 90% prediction intervals."
        f" Inside were: {shares}. This counts a wrong form of the law too."
    )


def noise(laws: MeasuredLaws) -> str:
    """The noise of seeds."""
    found = laws.noise
    if found.degrees_of_freedom == 0:
        return "(not measured)"
    return f"{100 * found.standard_deviation:.2f}% ({found.degrees_of_freedom} degrees of freedom)"
