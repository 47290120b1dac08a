"""The minimization behind a plan: coordinates of all allocations within a budget."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.minimize import Minimum, minimize_on_boxes
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import Costs, Limits
from capgap.theory.domain import FloatArray
from capgap.theory.protocols import SupervisedForm, TaughtForm

__all__ = ["Problem"]

Index = npt.NDArray[np.intp]
_POINTS = 65  # per axis of a grid over N_T and D_T
_NARROW = 1e-9  # in log N_T: no box at all
_POINTS_LINE = 257  # along a line, or over the teacher's loss alone


@dataclass(frozen=True, slots=True)
class Problem:
    """A batch of questions: which N_T, D_T, D_S within budget[i] make student N_S[i] best?

    Coordinates x of an allocation: log L_T where the teacher costs nothing; otherwise
    log N_T, and one in which D_T rises at every N_T. That is log D_T where pretraining costs
    nothing. Where it costs, x from 0 to 1 takes the log-odds of the budget's split between
    pretraining and student from one end of what `limits` allow to the other, and x from -1
    to 0 takes D_T from its lower limit to what D_S at its limit leaves.

    Every x within the box is feasible. Student tokens are what the teacher leaves of the
    budget, up to their limit: the laws are taken to fall with D_S at a given L_T, and the
    supervised law with N and D.

    Attributes
    ----------
    least_tokens : float
        Fewest student tokens of any allocation: 1, or where the law begins to hold.

    Raises
    ------
    InputError
        A budget cannot pay for `least_tokens` with the smallest and least trained teacher.
    """

    supervised: SupervisedForm
    taught: TaughtForm
    family: ModelFamily
    N_S: FloatArray
    budget: FloatArray
    costs: Costs
    limits: Limits
    least_tokens: float = field(init=False)

    def __post_init__(self) -> None:
        tokens = _first_tokens(self.taught, self.N_S, self.limits.D_S)
        object.__setattr__(self, "least_tokens", tokens)
        least = self.least_budget()
        if np.any(self.budget < least):
            i = int(np.argmax(self.budget < least))
            raise InputError(
                f"plan: budget = {self.budget[i]:g} FLOPs is too small: {tokens:.3g} tokens of a"
                f" student of {self.N_S[i]:g} parameters and the least teacher allowed take"
                f" {least[i]:.3g}"
            )

    @property
    def free(self) -> bool:
        """Whether the teacher costs nothing, so that only its loss matters."""
        return self.costs.d_Lgt == 0 and self.costs.d_Pre == 0

    def least_budget(self) -> FloatArray:
        """FLOPs below which there is no allocation, shape (rows,)."""
        teacher = self.family.forward_flops(self.limits.N_T[0])
        return np.asarray(self._student_flops() * self.least_tokens + teacher * self._per_forward())

    def box(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of the coordinates, each (rows, dims)."""
        limits, rows = self.limits, len(self.N_S)
        if self.free:
            weakest = self.supervised.loss(limits.N_T[0], limits.D_T[0])
            strongest = self.supervised.loss(limits.N_T[1], limits.D_T[1])
            return np.full((rows, 1), np.log(strongest)), np.full((rows, 1), np.log(weakest))
        for_teacher = self.budget - self._student_flops() * self.least_tokens
        largest = self._log_size(for_teacher / self._per_forward())
        smallest = np.full(rows, np.log(limits.N_T[0]))
        if self.costs.d_Pre > 0:
            second = np.where(self._to_spare() > 0, -1.0, 0.0), np.ones(rows)
        else:
            ends = np.log(limits.D_T)
            second = np.full(rows, ends[0]), np.full(rows, ends[1])
        return np.column_stack([smallest, second[0]]), np.column_stack([largest, second[1]])

    def unpack(
        self, row: Index, x: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """N_T, D_T, D_S and L_T at points x, shape (rows, points, dims)."""
        budget, student = self.budget[row][:, None], self._student_flops()[row][:, None]
        if self.free:
            D_S = np.minimum(budget / student, self.limits.D_S)
            none = np.full(x.shape[:-1], np.nan)
            return none, none, np.broadcast_to(D_S, none.shape), np.exp(x[..., 0])
        N_T = np.exp(x[..., 0])
        forward = self.family.forward_flops(N_T)
        if self.costs.d_Pre > 0:
            D_T, D_S = self._split(row, forward, x[..., 1])
        else:
            per_token = student + self.costs.d_Lgt * forward
            D_T, D_S = np.exp(x[..., 1]), np.minimum(budget / per_token, self.limits.D_S)
        return N_T, D_T, D_S, self.supervised.loss(N_T, D_T)

    def objective(self, row: Index, x: FloatArray) -> FloatArray:
        """Student losses at points x, shape (rows, points)."""
        _, _, D_S, L_T = self.unpack(row, x)
        return self.taught.loss(self.N_S[row][:, None], D_S, L_T)

    def solve(self, points: int | None = None, tolerance: float = 3e-9) -> Minimum:
        """The global minimum of every row."""
        along = [self._on_segments(*ends, points or _POINTS_LINE, tolerance)
                 for ends in self._segments()]  # fmt: skip
        row, low, high = self._pieces()
        if len(row):
            found = minimize_on_boxes(
                lambda piece, x: self.objective(row[piece], x), low, high,
                points=points or _POINTS, tolerance=tolerance,
            )  # fmt: skip
            along.append((row, found))
        rows = np.concatenate([part[0] for part in along])
        x, value, half = (
            np.concatenate([getattr(part[1], name) for part in along])
            for name in ("x", "value", "half_width")
        )
        order = np.lexsort((value, rows))
        best = order[np.searchsorted(rows[order], np.arange(len(self.N_S)))]
        return Minimum(x[best], value[best], half[best])

    def _on_segments(
        self, row: Index, start: FloatArray, end: FloatArray, points: int, tolerance: float
    ) -> tuple[Index, Minimum]:
        """The minimum on each straight line between two places of the box."""
        # A line of no length is a place; its share of the way does not matter.
        length = np.maximum(np.max(end - start, axis=1), np.finfo(np.float64).tiny)

        def function(piece: Index, t: FloatArray) -> FloatArray:
            share = t / length[piece][:, None, None]
            x = start[piece][:, None] + share * (end - start)[piece][:, None]
            return self.objective(row[piece], x)

        low, high = np.zeros((len(row), 1)), length[:, None]
        found = minimize_on_boxes(function, low, high, points=points, tolerance=tolerance)
        x = start + (found.x / high) * (end - start)
        return row, Minimum(x, found.value, found.half_width)

    def _segments(self) -> list[tuple[Index, FloatArray, FloatArray]]:
        """Lines through the box that hold its minimum, or may."""
        low, high = self.box()
        rows = np.arange(len(low))
        if self.free:
            return [(rows, low, high)]
        corner = np.column_stack([low[:, 0], high[:, 1]])
        if self.costs.d_Pre == 0:
            # Of all teachers of one loss the smallest leaves the student most: it is trained
            # to the limit, unless it is the smallest allowed.
            return [(rows, corner, high), (rows, low, corner)]
        # Where limits bind the loss has kinks; on these lines N_T, D_T or D_S is at its limit.
        zero = np.column_stack([low[:, 0], np.zeros(len(low))])
        ahead = np.column_stack([high[:, 0], low[:, 1]])
        across = np.column_stack([high[:, 0], zero[:, 1]])
        limited = low[:, 1] < 0
        lines = [(rows, low, ahead), (rows, corner, high), (rows, low, corner), (rows, ahead, high)]
        if np.any(limited):
            lines.append((rows[limited], zero[limited], across[limited]))
        return lines

    def _student_flops(self) -> FloatArray:
        return np.asarray(3.0 * self.family.forward_flops(self.N_S))

    def _per_forward(self) -> float:
        """FLOPs of the least teaching, in units of F(N_T)."""
        return 3.0 * self.costs.d_Pre * self.limits.D_T[0] + self.costs.d_Lgt * self.least_tokens

    def _to_spare(self) -> FloatArray:
        """FLOPs left beside the student at its limit and the least teacher."""
        teacher = self.family.forward_flops(self.limits.N_T[0])
        teaching = 3.0 * self.costs.d_Pre * self.limits.D_T[0] + self.costs.d_Lgt * self.limits.D_S
        return np.asarray(
            self.budget - self._student_flops() * self.limits.D_S - teacher * teaching
        )

    def _log_size(self, forward: FloatArray) -> FloatArray:
        """The log N_T within the limits of a teacher of this many FLOPs per token."""
        ends = np.log(self.limits.N_T)
        target = np.log(forward)

        def excess(row: Index, x: FloatArray) -> FloatArray:
            return np.asarray(np.log(self.family.forward_flops(np.exp(x))) - target[row])

        return find_roots(excess, *(np.full(len(forward), end) for end in ends))

    def _pieces(self) -> tuple[Index, FloatArray, FloatArray]:
        """Boxes to search where lines do not suffice: within each the loss is smooth."""
        low, high = self.box()
        rows = np.arange(len(low) if self.costs.d_Pre > 0 else 0)
        if len(rows) == 0:
            return rows, low[rows], high[rows]
        edges = np.sort(np.clip(self._folds(), low[:, [0]], high[:, [0]]), axis=1)
        edges = np.column_stack([low[:, 0], edges, high[:, 0]])
        parts = []
        for left, right in zip(edges.T[:-1], edges.T[1:], strict=True):
            wide = right - left > _NARROW
            for bottom, top in ((-1.0, 0.0), (0.0, 1.0)):
                row = rows[wide & (low[:, 1] <= bottom)]
                first, last = np.full(len(row), bottom), np.full(len(row), top)
                parts.append(
                    (row, np.column_stack([left[row], first]), np.column_stack([right[row], last]))
                )
        return (
            np.concatenate([row for row, _, _ in parts]),
            np.concatenate([first for _, first, _ in parts]),
            np.concatenate([last for _, _, last in parts]),
        )

    def _folds(self) -> FloatArray:
        """The log N_T, (rows, 3), beyond which another limit ends the range of D_T."""
        d_Lgt, d_Pre, (low, high) = self.costs.d_Lgt, self.costs.d_Pre, self.limits.D_T
        student, limit, fewest = self._student_flops(), self.limits.D_S, self.least_tokens
        folds = []
        for D_S, D_T in ((fewest, high), (limit, low), (limit, high)):
            # Here student tokens D_S and teacher tokens D_T take the whole budget.
            forward = (self.budget - student * D_S) / (3.0 * d_Pre * D_T + d_Lgt * D_S)
            folds.append(self._log_size(np.maximum(forward, np.finfo(np.float64).tiny)))
        return np.column_stack(folds)

    def _split(
        self, row: Index, forward: FloatArray, x: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """D_T and D_S where pretraining is paid for."""
        budget, (low, high) = self.budget[row][:, None], self.limits.D_T
        per_token = self._student_flops()[row][:, None] + self.costs.d_Lgt * forward
        per_teacher_token = 3.0 * self.costs.d_Pre * forward
        fewest, limit = per_token * self.least_tokens, per_token * self.limits.D_S
        # FLOPs of both where D_T is least (x = 0) and where it is greatest (x = 1). Each is
        # taken from its own limit too, because a difference may drown in rounding.
        teacher = np.maximum(per_teacher_token * low, budget - limit)
        student = np.maximum(np.minimum(limit, budget - per_teacher_token * low), fewest)
        most = np.maximum(np.minimum(per_teacher_token * high, budget - fewest), teacher)
        start = np.log(teacher / student)
        end = np.log(most / np.maximum(budget - per_teacher_token * high, fewest))
        ratio = np.exp(start + np.maximum(x, 0.0) * np.maximum(end - start, 0.0))
        D_T = budget * (ratio / (1 + ratio)) / per_teacher_token
        rest = budget / (1 + ratio)
        spare = x < 0
        if np.any(spare):
            share = 1 + np.minimum(x, 0.0)
            some = low * (np.clip(teacher / per_teacher_token, low, high) / low) ** share
            D_T, rest = np.where(spare, some, D_T), np.where(spare, student, rest)
        D_S = np.clip(rest / per_token, self.least_tokens, self.limits.D_S)
        return np.clip(D_T, low, high), D_S


def _first_tokens(taught: TaughtForm, N_S: FloatArray, most: float) -> float:
    """Fewest tokens, at least 1, for which a law is defined (a hinge with r > 0 begins late)."""

    def defined(tokens: float) -> bool:
        try:
            taught.loss(N_S, tokens, 1.0)
        except InputError:
            return False
        return True

    if defined(1.0):
        return 1.0
    if not defined(most):
        taught.loss(N_S, most, 1.0)  # says what is wrong
    low, high = 0.0, float(np.log(most))
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if defined(float(np.exp(middle))) else (middle, high)
    return float(np.exp(high))
