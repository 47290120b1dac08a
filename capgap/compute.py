"""Parameters and floating-point operations of the paper's transformer.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix H. Units: FLOPs per token
(one multiply-add counts as two), tokens, non-embedding parameters.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = [
    "FlopParts",
    "ModelFamily",
    "distillation_flops",
    "ffn_width",
    "flops_per_token",
    "non_embedding_parameters",
    "run_flops",
]

FloatArray = npt.NDArray[np.float64]

# Above any size or count that is meant, and low enough that no product of two overflows.
LARGEST = 1e100
SMALLEST = math.ulp(0.0)


@dataclass(frozen=True, slots=True)
class ModelFamily:
    r"""Transformers of one shape: width over depth fixed, so that N alone sets the cost.

    With :math:`d = \rho\, n_{layers}` and :math:`N = \omega\, n_{layers} d^2`,

    .. math:: F(N) = 2N \left(1 + s_1 n_{ctx} N^{-1/3} + s_2 n_{vocab} N^{-2/3}\right),
              \quad s_1 = (\rho\, \omega^2)^{-1/3}, \quad s_2 = (\rho/\omega)^{1/3}

    forward FLOPs per token. It is evaluated with :math:`c = N^{1/3}` as
    :math:`2 (N + c (s_1 n_{ctx} c + s_2 n_{vocab}))`. Depth and width are real numbers here;
    for a model that can be built see `ffn_width`, `non_embedding_parameters` and
    `flops_per_token`, above which F(N) lies by at most 0.42% in the paper's Table 13.

    Parameters
    ----------
    aspect_ratio : float
        rho, width over number of layers; finite and > 0.
    omega : float
        N over n_layers d^2; 12 for four attention matrices and a gated feed-forward layer
        of width 8/3 d. Finite and > 0.
    n_ctx : int
        Tokens in the context, >= 1.
    n_vocab : int
        Rows of the output head, >= 1. The paper contradicts itself: 32168 in the text,
        32768 in Table 13. The FLOPs printed in that table decide: 32768 gives all eleven
        within 0.02%, 32168 misses the smallest model by 0.37%.

    Raises
    ------
    InputError
        A setting, or an argument of a method, is outside its domain.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, appendix H.1.

    Examples
    --------
    With rho = omega = 1 and N = 8, depth and width are 2: 2 x 8 for the matrices,
    2 x 2 x 3 x 2 for attention over 3 tokens, 2 x 5 x 2 for a head of 5 rows.

    >>> family = ModelFamily(aspect_ratio=1, omega=1, n_ctx=3, n_vocab=5)
    >>> float(family.layers(8)), float(family.width(8)), float(family.parameters(2))
    (2.0, 2.0, 8.0)
    >>> float(family.forward_flops(8)), float(family.backward_flops(8))
    (60.0, 120.0)
    """

    aspect_ratio: float = 128.0
    omega: float = 12.0
    n_ctx: int = 4096
    n_vocab: int = 32768

    def __post_init__(self) -> None:
        for name, number in (("aspect_ratio", self.aspect_ratio), ("omega", self.omega)):
            _require_within("ModelFamily", name, number, lowest=0.0)
            if number == 0:
                raise InputError(f"ModelFamily: {name} = {number!r} must be > 0")
        for name, count in (("n_ctx", self.n_ctx), ("n_vocab", self.n_vocab)):
            _require_within("ModelFamily", name, count, lowest=1.0)
            if not isinstance(count, int):
                raise InputError(f"ModelFamily: {name} = {count!r} must be an integer")

    def forward_flops(self, N: npt.ArrayLike) -> FloatArray:
        """F(N), forward FLOPs per token; N in non-embedding parameters, any shape."""
        parameters = _positive_array("forward_flops", "N", N)
        attention = self.n_ctx * (self.aspect_ratio * self.omega**2) ** (-1 / 3)
        head = self.n_vocab * (self.aspect_ratio / self.omega) ** (1 / 3)
        root = np.cbrt(parameters)
        flops = attention * root
        # In place, because a plan asks for millions at once and memory is what costs time.
        flops += head
        flops *= root
        flops += parameters
        flops *= 2.0
        return np.asarray(flops)

    def backward_flops(self, N: npt.ArrayLike) -> FloatArray:
        """2 F(N), FLOPs per token of the backward pass."""
        return np.asarray(2.0 * self.forward_flops(N))

    def parameters(self, n_layers: npt.ArrayLike) -> FloatArray:
        """omega rho^2 n_layers^3, non-embedding parameters."""
        depth = _positive_array("parameters", "n_layers", n_layers)
        return np.asarray(self.omega * self.aspect_ratio**2 * depth**3)

    def layers(self, N: npt.ArrayLike) -> FloatArray:
        """(N / (omega rho^2))^(1/3), the depth of a model of N parameters."""
        parameters = _positive_array("layers", "N", N)
        return np.asarray(np.cbrt(parameters / (self.omega * self.aspect_ratio**2)))

    def width(self, N: npt.ArrayLike) -> FloatArray:
        """(rho N / omega)^(1/3), the width of a model of N parameters."""
        parameters = _positive_array("width", "N", N)
        return np.asarray(np.cbrt(parameters * (self.aspect_ratio / self.omega)))


@dataclass(frozen=True, slots=True, eq=False)
class FlopParts:
    """What a distillation costs, in FLOPs, by purpose; see `distillation_flops`.

    Parameters
    ----------
    student_training, teacher_inference, teacher_pretraining : array
        FLOPs of each part; arrays without dimensions for one run. The parts may have
        different shapes that broadcast.
    """

    student_training: FloatArray
    teacher_inference: FloatArray
    teacher_pretraining: FloatArray

    @property
    def total(self) -> FloatArray:
        """Sum of the parts."""
        return np.asarray(self.student_training + self.teacher_inference + self.teacher_pretraining)


def distillation_flops(
    student_forward: npt.ArrayLike,
    D_S: npt.ArrayLike,
    teacher_forward: npt.ArrayLike,
    D_T: npt.ArrayLike,
    d_Lgt: float,
    d_Pre: float,
) -> FlopParts:
    r"""FLOPs of a distillation, teacher included as far as the deltas say.

    .. math:: 3 F(N_S) D_S + F(N_T) (\delta_{Lgt} D_S + 3\, \delta_{Pre} D_T)

    Parameters
    ----------
    student_forward, teacher_forward : array-like
        F(N_S) and F(N_T), forward FLOPs per token, >= 0. A teacher of cost 0 is no teacher.
    D_S, D_T : array-like
        Tokens that student and teacher train on, >= 0.
    d_Lgt : float
        Share of the teacher's forward passes that is charged, in [0, 1]: 1 when they are
        computed for this student, 0 when stored outputs are at hand, 1/K when K share them.
    d_Pre : float
        Share of the teacher's training that is charged, in [0, 1]: 0 for a teacher that
        exists, 1 for one trained for this student, 1/K when K students share it.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, section 5, where the deltas are 0 or 1.
    Teacher pretraining is 3 F(N_T) D_T, not 3 D_T, which would be a count of tokens.

    Examples
    --------
    3 x 10 x 100, 50 x 100 and 3 x 50 x 200:

    >>> parts = distillation_flops(10, 100, 50, 200, d_Lgt=1, d_Pre=1)
    >>> float(parts.student_training), float(parts.teacher_inference)
    (3000.0, 5000.0)
    >>> float(parts.teacher_pretraining), float(parts.total)
    (30000.0, 38000.0)
    """
    operation = "distillation_flops"
    student = _positive_array(operation, "student_forward", student_forward, zero_allowed=True)
    teacher = _positive_array(operation, "teacher_forward", teacher_forward, zero_allowed=True)
    student_tokens = _positive_array(operation, "D_S", D_S, zero_allowed=True)
    teacher_tokens = _positive_array(operation, "D_T", D_T, zero_allowed=True)
    _require_within(operation, "d_Lgt", d_Lgt, 0.0, 1.0)
    _require_within(operation, "d_Pre", d_Pre, 0.0, 1.0)
    return FlopParts(
        student_training=np.asarray(3.0 * student * student_tokens),
        teacher_inference=np.asarray(d_Lgt * teacher * student_tokens),
        teacher_pretraining=np.asarray(3.0 * d_Pre * teacher * teacher_tokens),
    )


def ffn_width(d_model: int, multiple_of: int) -> int:
    """Hidden width of the gated feed-forward layer: 8/3 d_model, rounded up.

    Rounding up to a multiple of the head width (128 in the paper) is what makes the
    parameter counts of the paper's Table 13 come out; the paper does not state it.

    >>> ffn_width(1024, 128)
    2816
    """
    if d_model < 1 or multiple_of < 1:
        raise InputError(
            f"ffn_width: d_model = {d_model} and multiple_of = {multiple_of} must be positive"
        )
    exact_numerator = 8 * d_model
    blocks = -(-exact_numerator // (3 * multiple_of))
    return blocks * multiple_of


def non_embedding_parameters(n_layers: int, d_model: int, d_head: int, d_ff: int) -> int:
    r"""Parameters outside the embedding and the output head.

    .. math:: N = n_{layers} (4 d^2 + 3 d\, d_{ff} + 2 d + 2 d_{head}) + d

    Attention has four d x d matrices, the gated feed-forward layer three d x d_ff ones;
    the gains of the RMSNorms are two of width d and two of width d_head per layer
    (before attention, before the feed-forward layer, on queries, on keys) and one of
    width d before the head. The paper's N = 12 n_layers d^2 is the leading term.

    Table 13, 24 layers of width 128 x 24 (2.72B):

    >>> non_embedding_parameters(24, 3072, 128, 8192)
    2718065664
    """
    per_layer = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model + 2 * d_head
    return n_layers * per_layer + d_model


def flops_per_token(N: float, n_layers: int, d_model: int, n_ctx: int, n_vocab: int) -> float:
    r"""Forward FLOPs per token.

    .. math:: C_{fwd} = 2 N + 2 n_{layers} n_{ctx} d_{model} + 2 n_{vocab} d_{model}

    Source: arXiv 2502.08606, appendix H. The backward pass costs twice as much.

    Table 13, 10 layers (198M): 0.5853 GFLOPs.

    >>> round(flops_per_token(198_275_840, 10, 1280, 4096, 32768) / 1e9, 4)
    0.5853
    """
    return 2.0 * N + 2.0 * n_layers * n_ctx * d_model + 2.0 * n_vocab * d_model


def run_flops(forward: float, tokens: float, teacher_forward: float = 0.0) -> float:
    """FLOPs of a run: 3 F(N) D for training (forward and backward), plus F(N_T) D for the
    teacher's forward pass over the same tokens when there is a teacher.

    Source: arXiv 2502.08606, section 5 (d_Lgt = 1, d_Pre = 0).

    >>> run_flops(100.0, 10, 50.0)
    3500.0
    """
    return (3.0 * forward + teacher_forward) * tokens


def _as_floats(operation: str, name: str, value: npt.ArrayLike) -> FloatArray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{operation}: {name} = {value!r} must be numbers") from error


def _positive_array(
    operation: str, name: str, value: npt.ArrayLike, *, zero_allowed: bool = False
) -> FloatArray:
    array = _as_floats(operation, name, value)
    lowest = 0.0 if zero_allowed else SMALLEST
    # NaN survives both reductions and fails both comparisons; no temporary array is made.
    if not (array.min(initial=math.inf) >= lowest and array.max(initial=0) <= LARGEST):
        worst = array[~((array >= lowest) & (array <= LARGEST))].flat[0]
        rule = ">= 0" if zero_allowed else "> 0"
        raise InputError(f"{operation}: {name} = {worst:g} must be {rule} and <= {LARGEST:g}")
    return array


def _require_within(
    operation: str, name: str, value: float, lowest: float, highest: float = LARGEST
) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{operation}: {name} = {value!r} must be a number")
    if not lowest <= value <= highest:
        raise InputError(f"{operation}: {name} = {value!r} must be in [{lowest:g}, {highest:g}]")
