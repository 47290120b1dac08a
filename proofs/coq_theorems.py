"""Theorems over all dimensions and all sequences, proved in Coq (``proofs/coq``).

`FAMILIES` lists what each file proves; `compile_files` runs ``coqc`` over a copy of the folder,
in the order of ``_CoqProject``, and `prove` returns what the other proofs return, so that one
table holds both. A theorem counts as proved if its file compiles and Coq finds it resting on
nothing but `CLASSICAL_REALS`: the axioms with which Coq's standard library builds the reals,
and its law of excluded middle, with which it proves theorems on continuous functions.

Debian and Ubuntu: ``apt-get install coq libcoq-coquelicot``.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from proofs.checking import Kind, Proof, Step, Theorem

__all__ = [
    "CLASSICAL_REALS",
    "FAMILIES",
    "FOLDER",
    "CoqMissing",
    "Family",
    "Run",
    "axioms",
    "compile_file",
    "compile_files",
    "coqc",
    "family_proof",
    "order",
    "prove",
    "rows",
]

FOLDER = Path(__file__).parent / "coq"
TIMEOUT = 120.0
CLASSICAL_REALS = frozenset(
    {
        "ClassicalDedekindReals.sig_not_dec",
        "ClassicalDedekindReals.sig_forall_dec",
        "FunctionalExtensionality.functional_extensionality_dep",
        "Classical_Prop.classic",
    }
)


class CoqMissing(RuntimeError):
    """There is no ``coqc`` on the path."""


@dataclass(frozen=True, slots=True)
class Family:
    """Theorems of one file.

    Attributes
    ----------
    file : str
        Name of the file in ``proofs/coq``, without suffix.
    title, statement : str
        As in `Theorem`.
    theorems : tuple of str
        Every ``Theorem`` of the file, by its name in Coq.
    refuted : tuple of str
        Those among them which refute a nearby false statement.
    """

    file: str
    title: str
    statement: str
    theorems: tuple[str, ...]
    refuted: tuple[str, ...] = ()

    @property
    def theorem(self) -> Theorem:
        """The line of the table."""
        return Theorem(self.title, self.statement, "Coq")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of ``coqc``: whether it ended well, its seconds of wall-clock time, its words."""

    ok: bool
    seconds: float
    output: str


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILIES = (
    Family(
        "BallProjection",
        "Constrained least squares is radial shrinkage",
        "min ||g - f|| over the span of k basis functions with ||g|| <= r exists, is unique, "
        "and is min(1, r/||f_1:k||) f_1:k; for every square-summable f",
        _names("""ball_projection_certificate ball_projection_optimal ball_projection_feasible
        shrink_best best_unique free_best free_unique loose_cap_is_free"""),
    ),
    Family(
        "KernelModel",
        "Closed forms of the kernel model's errors",
        "for any constrained minimisers E_T = F^2 - phi_T(A_m); E_S = F^2 - phi_min(T,D)(A_m) "
        "for m <= n, F^2 - A_n^2 s (2 - s) with s = min(1, T/A_m, D/A_n) for m >= n",
        _names("""teacher_exists student_exists teacher_error student_error ET_closed ES_small
        ES_large free_student_error"""),
    ),
    Family(
        "CapacityGap",
        "The capacity gap, completely",
        "E_S falls at m < n iff alpha_(m+1) != 0; beyond n never falls, and rises iff A_n > 0, "
        "alpha_(m+1) != 0, A_(m+1) > max(T, T A_n/D); argmin = {m : A_n <= A_m <= "
        "max(A_n, T, T A_n/D)}; a strict U iff A_n > 0 and that bound < ||f*||; E_S >= E_T",
        _names("""left_strict_iff left_nonincreasing right_nondecreasing right_strict_iff
        m_eq_n_optimal argmin_iff argmin_trivial argmin_contiguous strict_U_iff strict_U_iff_norm
        flat_floor no_gap_if_loose delayed_onset_iff no_weak_to_strong law_of_the_model
        better_teacher_worse_student height_of_the_gap free_student_onset capacity_gap"""),
    ),
    Family(
        "PrintedProof",
        "The printed proof of the capacity gap, refuted",
        "with Q's cases exchanged the student leaves its ball and its error is wrong; 'rising "
        "right beyond m = n' is false; at the same target a strict U exists",
        _names("""right_cases_are_right exchanged_cases_leave_the_ball exchanged_cases_wrong_error
        not_always_rising U_exists small_cap_not_enough best_teacher_not_unique
        student_strictly_worse"""),
        _names("""exchanged_cases_leave_the_ball exchanged_cases_wrong_error not_always_rising
        small_cap_not_enough best_teacher_not_unique student_strictly_worse"""),
    ),
    Family(
        "GainIdentity",
        "Weak to strong: the gain identity",
        "h = P g: ||g - f||^2 - ||h - f||^2 = ||v||^2 - 2 <v, b>, v = g - h, b = f - P f; "
        "b = 0: the gain is the misfit; V convex and f in V: at least the misfit",
        _names("""gain_identity realisable_gain weak_to_strong_iff convex_gain
        minimiser_orthogonal"""),
    ),
    Family(
        "LeastSquaresHinge",
        "The hinge law of two-stage least squares",
        "perfect teacher: E_S = max(E_T, (1 + theta) t_n - theta E_T) for every m; any teacher: "
        "m > n beats n iff theta ((t_n - t_m) + (m - n) v_m) < n (v_n - v_m)",
        _names("gap_boundary hinge_law hinge_minimum hinge_rises_iff"),
    ),
    Family(
        "EffectiveCapacity",
        "A ridge student's effective capacity",
        "the best perfect teacher has k modes, the number of the student's with "
        "s_i > 1 - sqrt(1 - gamma)",
        _names("""left_falls_iff right_rises_iff effective_capacity effective_capacity_strict"""),
    ),
    Family(
        "Convexity",
        "Strict convexity and uniqueness of minima",
        "an increasing derivative makes a function strictly convex; a strictly convex function "
        "has at most one minimiser",
        _names("convex_of_increasing_derivative stationary_minimises one_minimiser"),
    ),
    Family(
        "HingeLaw",
        "The smooth hinge law and its best teacher",
        "L_S >= l ((theta/rho)^(rho/(rho+theta)) + (theta/rho)^(-theta/(rho+theta)))^s for all "
        "L_T > 0, equal only at L_T = l (theta/rho)^(s/(rho+theta)); convex in log L_T",
        _names("""bend_convex corner hinge_at_best hinge_minimum hinge_convex_in_log twin_minimum
        twin_convex rho_one_above_teacher weak_to_strong_possible"""),
    ),
    Family(
        "DistillationLaw",
        "Calculus of the distillation law",
        "dL_S/dL_T = 1 - h; L_S > L_T; U x^-c0 (1 - (c1/p)(x/K)^p) <= L_S - x < U x^-c0; "
        "L_S grows with U and K; homogeneous",
        _names("""LS_derive h_derive student_above_teacher upper_bound lower_bound
        weak_teacher_limit increasing_in_U increasing_in_K homogeneity"""),
    ),
    Family(
        "LawConvexity",
        "Exactly when the distillation law is convex",
        "for all U, K: L_S is strictly convex in L_T > 0 iff p <= B + sqrt(B^2 - 1), "
        "B = 1 + 2 c0 + 2 c0 (1 + c0)/c1",
        _names("curved h_decreasing convex_iff"),
    ),
    Family(
        "LawMinimum",
        "The distillation law's best teacher",
        "a best teacher always exists; for p <= p_plus it is the only solution of "
        "x^(1+c0) (1 + (x/K)^p)^(c1/p) = U u and grows with U; beyond, two minima can exist",
        _names("""stationary_iff stationary_bracket minimum_exists one_best_teacher
        unique_by_convexity harder_task_weaker_teacher gap_reachable_iff two_minima"""),
        _names("two_minima"),
    ),
)


def coqc() -> str:
    """Path of the compiler.

    Raises
    ------
    CoqMissing
        If there is none.
    """
    found = shutil.which("coqc")
    if found is None:
        raise CoqMissing("coqc is not on the path: apt-get install coq libcoq-coquelicot")
    return found


def order(folder: Path = FOLDER) -> tuple[str, ...]:
    """Files in the order in which they build, without suffix.

    >>> order()[:3]
    ('Sums', 'BallProjection', 'KernelModel')
    """
    lines = (folder / "_CoqProject").read_text(encoding="utf-8").split()
    return tuple(line.removesuffix(".v") for line in lines if line.endswith(".v"))


def compile_file(file: Path, built: Path, timeout: float = TIMEOUT) -> Run:
    """Compile one file against the files compiled in ``built``."""
    command = [coqc(), "-q", "-w", "none", "-Q", str(built), "CapGap", str(file)]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return Run(False, time.perf_counter() - start, f"{file.name}: over {timeout:.0f} s")
    return Run(done.returncode == 0, time.perf_counter() - start, done.stdout + done.stderr)


def compile_files(built: Path) -> dict[str, Run]:
    """Copy the sources into an empty folder and compile them there, to the first failure."""
    runs: dict[str, Run] = {}
    for name in order():
        shutil.copy(FOLDER / f"{name}.v", built)
        runs[name] = compile_file(built / f"{name}.v", built)
        if not runs[name].ok:
            break
    return runs


def axioms(built: Path, names: Sequence[str]) -> frozenset[str]:
    """All axioms on which the theorems named ``file.theorem`` rest, as Coq prints them.

    One question for many theorems, since Coq walks the whole library to answer it.

    Raises
    ------
    RuntimeError
        If Coq does not know a name.
    """
    files = dict.fromkeys(name.split(".")[0] for name in names)
    query = built / "Query.v"
    query.write_text(
        "".join(f"Require CapGap.{file}.\n" for file in files)
        + f"Definition all := ({', '.join(f'@CapGap.{name}' for name in names)}).\n"
        + "Print Assumptions all.\n",
        encoding="utf-8",
    )
    run = compile_file(query, built)
    if "Closed under the global context" in run.output:
        return frozenset()
    if not (run.ok and run.output.startswith("Axioms:")):
        raise RuntimeError(f"Print Assumptions: {run.output.strip()}")
    return frozenset(re.findall(r"^([A-Za-z_][\w.']*)(?= :|$)", run.output, re.MULTILINE)) - {
        "Axioms"
    }


def prove() -> list[tuple[Family, Proof]]:
    """Compile everything in a temporary folder; one proof a file.

    Raises
    ------
    CoqMissing
        If there is no ``coqc``.
    """
    with TemporaryDirectory() as folder:
        built = Path(folder)
        runs = compile_files(built)
        complete = len(runs) == len(order()) and all(run.ok for run in runs.values())
        names = [f"{family.file}.{name}" for family in FAMILIES for name in family.theorems]
        sound = complete and axioms(built, names) <= CLASSICAL_REALS
    return [
        (family, family_proof(family, runs.get(family.file), sound=sound)) for family in FAMILIES
    ]


def family_proof(family: Family, run: Run | None, *, sound: bool) -> Proof:
    """Outcome for one file, given how it compiled and whether the axioms are the allowed ones."""
    refuted: Kind = "mutant refuted"
    holds = run is not None and run.ok and sound
    steps = tuple(
        Step(refuted if name in family.refuted else "proved", name, holds)
        for name in family.theorems
    )
    return Proof("proved" if holds else "failed", run.seconds if run else 0.0, steps)


def rows() -> list[dict[str, str]]:
    """Lines of the table of all proofs, as ``python -m proofs`` writes them."""
    return [
        {
            "theorem": family.title,
            "statement": family.statement,
            "file": f"proofs/coq/{family.file}.v",
            "tool": "Coq",
            "status": found.status,
            "proved": str(found.count("proved")),
            "mutants_refuted": str(found.count("mutant refuted")),
            "seconds": f"{found.seconds:.1f}",
        }
        for family, found in prove()
    ]
