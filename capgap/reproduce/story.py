"""The report of the main job, in words, pictures and tables."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from capgap.comparison.forecast import LawForecast, Verdict
from capgap.comparison.measured import FittedLaw
from capgap.files import write_atomically
from capgap.measurement.records import RunRecord
from capgap.report import Picture, Section, Table, render
from capgap.reproduce.calibration import calibration_sections
from capgap.reproduce.captions import CAPTIONS
from capgap.reproduce.findings import (
    coverage,
    gaps,
    held_out,
    name,
    nats,
    noise,
    novelty,
    shallow,
    worth,
)
from capgap.reproduce.fitter import fitter_sections
from capgap.reproduce.harness import harness_sections
from capgap.reproduce.job import Reproduction
from capgap.reproduce.learning_rates import rate_sections
from capgap.reproduce.solvable import solvable_sections

__all__ = ["write_report"]


def write_report(result: Reproduction) -> Path:
    """Write ``report.html`` beside the pictures; returns its path."""
    path = result.folder / "report.html"
    page = render(
        "Can we predict a distillation before it happens?",
        "Laws fitted to small language models that this project trained, a prediction written"
        " down, the distillation made afterwards, and the theory behind it.",
        _verdict(result),
        (
            _prediction_section(result),
            _distillation_section(result),
            _supervised_section(result),
            _theory_section(result),
            *solvable_sections(result),
            *_audit_sections(result),
            *fitter_sections(result),
            *rate_sections(result),
            *harness_sections(result),
            *calibration_sections(result),
            _doubts_section(result),
            _provenance_section(result),
        ),
        "capgap: theory and simulation of distillation scaling. The law: Busbridge et al. 2025,"
        " arXiv 2502.08606. Text: State of the Union addresses (PDDL-1.0, CC0-1.0).",
    )
    write_atomically(path, page.encode())
    return path


def interval(row: LawForecast) -> str:
    """A prediction with its interval."""
    return f"{row.loss:.4f} [{row.low:.4f}, {row.high:.4f}]"


def _verdict(result: Reproduction) -> list[str]:
    primary = result.primary
    row = primary.prediction
    place = "inside" if primary.inside else "OUTSIDE"
    gain = result.gain
    helped = "lower" if gain.difference < 0 else "higher"
    expected = row.loss - result.forecast.supervised.loss
    return [
        f"Predicted by the {name(row.law)}: {interval(row)} nats per token"
        f" ({result.forecast.level:.0%} interval). Measured: {nats(primary.measured)}, {place} the"
        f" interval; the prediction was {100 * primary.error / primary.measured:+.2f}% off.",
        f"With its teacher the student ended {abs(gain.difference):.4f} nats {helped} than alone"
        f" (standard error over speeches {gain.standard_error:.4f}, seeds not included); the laws"
        f" expected {expected:+.4f}.",
    ]


def _prediction_section(result: Reproduction) -> Section:
    config = result.taught.config
    teacher = result.teacher
    rows = [_verdict_row(verdict) for verdict in result.verdicts]
    return Section(
        "One distillation, predicted and made",
        (
            f"The student has {result.taught.N:,} parameters and saw {result.taught.D:,} byte"
            f" tokens. Its teacher has {teacher.N:,} parameters, was trained on {teacher.D:,}"
            f" tokens of other speeches and reaches {nats(teacher.loss or 0.0)} nats. This"
            " distillation is not among the runs that the laws were fitted to"
            f"{novelty(result)}. The prediction was written to `prediction.json` at"
            f" {result.written}; the training ended at {result.taught.machine.finished}.",
            Picture(
                result.folder / "forecast_and_outcome.png",
                "Left: what each law predicted before the training, and what was measured after it;"
                " the star marks the law that had done best on held-out runs and whose prediction"
                " counts. Right: the training itself.",
            ),
            Table(
                ("law", "predicted", f"{result.forecast.level:.0%} interval", "measured", "error"),
                rows,
            ),
            *_not_new(result),
            f"Run `{result.taught.id}` (taught, lambda = {config.distillation_weight:g}) took"
            f" {result.taught.flops:.3g} FLOPs with the teacher's forward passes, run"
            f" `{result.alone.id}` (alone) {result.alone.flops:.3g}.",
        ),
    )


def _not_new(result: Reproduction) -> list[str]:
    if result.alone_is_new:
        return []
    return [
        "The same student without a teacher is one of the measured runs, so the prediction for it"
        " is no test."
    ]


def _verdict_row(verdict: Verdict) -> list[str]:
    row = verdict.prediction
    return [
        name(row.law),
        nats(row.loss),
        f"{row.low:.4f} to {row.high:.4f} ({'inside' if verdict.inside else 'outside'})",
        nats(verdict.measured),
        f"{verdict.error:+.4f}",
    ]


def _distillation_section(result: Reproduction) -> Section:
    laws = result.laws
    return Section(
        "What teachers do to students",
        (
            f"{len(laws.distillation_runs.L_S)} distillations: students of three sizes and two"
            " lengths of training, each with teachers from a tiny one to the strongest. Two laws"
            " are fitted on top of the supervised law: the paper's Eq. 8, in the form where its"
            " two nearly redundant coefficients become one, and a hinge law suggested by an"
            " exactly solvable model: log loss follows a weak teacher with slope rho, rises with"
            " slope theta = c beyond the corner, and the corner is the supervised law on `tokens`"
            " times the student's tokens (which of its forms to use was chosen on these runs, by"
            " held-out error). Eq. 8 cannot put a student below its teacher.",
            Picture(
                result.folder / "measured_distillation.png",
                "Student loss against teacher loss, a panel for each student and length of"
                " training. Dots: measured. Lines: fitted laws with 90% intervals of the law"
                " itself. Dashed: the same student trained alone.",
            ),
            *gaps(laws),
            *worth(laws),
            held_out(laws),
            *(_coefficients(law, name(law.name)) for law in laws.distilled),
        ),
    )


def _supervised_section(result: Reproduction) -> Section:
    laws = result.laws
    return Section(
        "Students and teachers on their own",
        (
            f"{len(laws.supervised_runs.L)} supervised runs and the law"
            " L(N, D) = E + (A/N^alpha + B/D^beta)^gamma (Eq. 1 of the paper).",
            Picture(
                result.folder / "measured_supervised.png",
                "Validation loss of models trained on text alone. Lines: the fitted law; bands: 90%"
                " interval of the law itself. Right: what it misses, against the noise of seeds.",
            ),
            *shallow(laws),
            _coefficients(laws.supervised, "supervised law"),
        ),
    )


def _coefficients(fitted: FittedLaw, title: str) -> Table:
    limits = fitted.refits.interval(0.9)
    rows = [
        [key, f"{value:.4g}", f"{limits[key][0]:.3g} to {limits[key][1]:.3g}"]
        for key, value in fitted.fit.coefficients.items()
        if key in limits
    ]
    return Table((f"{title} ({fitted.fit.status})", "value", "90% interval"), rows)


def _theory_section(result: Reproduction) -> Section:
    pictures = [
        Picture(result.folder / f"{script}.png", CAPTIONS.get(script, script.replace("_", " ")))
        for script in result.theory
    ]
    lead = "Drawn from the laws and from closed forms; no training is involved."
    return Section("Why a stronger teacher can make a worse student", (lead, *pictures))


def _audit_sections(result: Reproduction) -> tuple[Section, ...]:
    """The table of claims, where a script of the theory has written one."""
    path = result.folder / "claims.csv"
    if "coefficient_audit" not in result.theory:
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        claims = list(csv.DictReader(file))
    verdicts = Counter(claim["verdict"] for claim in claims)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    rows = [[c["statement"], c["verdict"], c["evidence"]] for c in claims]
    section = Section(
        "The paper's statements, checked",
        (
            f"{len(claims)} statements of the paper, of a summary of it that is in circulation, and"
            f" of ours, each computed from the laws: {counts}. “Depends” means that it holds for"
            " some sizes, budgets or coefficients and not for others. The same table is in"
            " `claims.csv`.",
            Table(("statement", "verdict", "numbers"), rows, prose=True),
        ),
    )
    return (section,)


def _doubts_section(result: Reproduction) -> Section:
    laws = result.laws
    statuses = [
        f"{name(law.name)}: {law.fit.status} ({law.fit.message});"
        f" {law.refits.converged_share:.0%} of the refits converged"
        for law in (laws.supervised, *laws.distilled)
    ]
    return Section(
        "What is uncertain",
        (
            "The models have 3 thousand to 0.7 million parameters and read bytes of one kind of"
            " text. Nothing here says that the same coefficients hold at other scales or on other"
            " text; the form of the laws is what is put to the test.",
            "The intervals of predictions cover the sampling error of the fit, the noise of one new"
            " run and, for the laws with a teacher, the error of the supervised law beneath them."
            " The bands in the pictures and the intervals of coefficients take that law as given."
            " None of them covers a law of the wrong form.",
            coverage(laws),
            f"Most cells were run once. Repeated seeds give a noise of {noise(laws)}. The standard"
            " error of a validation loss, "
            f"{result.taught.standard_error or 0.0:.3f} nats, is for other speeches of the same"
            " kind; it is shared by all runs and cancels in their differences.",
            f"{laws.failed} of the measured runs failed; failed runs are kept in the records and"
            " left out of every fit.",
            "State of the fits. " + ". ".join(statuses) + ".",
            *(f"The {name(law)} is left out: {reason}." for law, reason in laws.left_out),
        ),
    )


def _provenance_section(result: Reproduction) -> Section:
    rows = [[step, f"{seconds:.1f} s"] for step, seconds in result.seconds.items()]
    rows.append(["whole job", f"{sum(result.seconds.values()):.1f} s"])
    rows.append(["largest memory of one process", f"{result.peak_memory / 2**20:.0f} MiB"])
    return Section(
        "How it was made",
        (
            f"The laws were fitted to {result.forecast.runs} runs (hash of their ids"
            f" `{result.forecast.runs_digest}`), kept with configuration, seed, code version and"
            " machine in `simulations/runs`. Every picture here stands beside its numbers (.csv)"
            " and its provenance (.json).",
            _machine(result.taught),
            Table(("step", "time"), rows),
        ),
    )


def _machine(record: RunRecord) -> str:
    machine = record.machine
    versions: Sequence[str] = [f"{key} {value}" for key, value in machine.versions.items()]
    return (
        f"The student was trained on {machine.processor} ({machine.platform}), device"
        f" {machine.device}, {machine.threads} thread, with {', '.join(versions)}, capgap"
        f" {machine.code_version}: {machine.tokens_per_second:,.0f} tokens per second."
    )
