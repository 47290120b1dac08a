"""The mapping problem: follow a pointer to the other place that holds the same value.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix C.2. The paper gives the task but not
how examples are drawn; the distribution here is ours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = ["Examples", "Task", "label_of"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

VALUES = 3
MOST_CLASSES = 10  # all examples are held in memory: 242,910 of them at 10 classes


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples and how likely each is.

    Attributes
    ----------
    context : array of int, shape (examples, num_classes)
        Values 0, 1 or 2.
    pointer, label : arrays of int, shape (examples,)
        Places in the context, from 0.
    probability : array, shape (examples,)
        Sums to 1.
    """

    context: IntArray
    pointer: IntArray
    label: IntArray
    probability: FloatArray

    def __len__(self) -> int:
        return int(self.pointer.size)

    @property
    def inputs(self) -> FloatArray:
        """What a network sees, shape (examples, 2 num_classes): values, then one-hot pointer."""
        pointer = np.eye(self.context.shape[1])[self.pointer]
        return np.concatenate([self.context.astype(np.float64), pointer], axis=1)

    @property
    def targets(self) -> FloatArray:
        """One-hot labels, shape (examples, num_classes)."""
        return np.asarray(np.eye(self.context.shape[1])[self.label])


@dataclass(frozen=True, slots=True)
class Task:
    r"""The mapping problem with a distribution of examples.

    The pointer i is uniform over the places. The value it points at is 0 with probability
    `zero_share`, else 1 or 2 with equal probability v. Given i and the value, the rest of the
    context is uniform among the contexts that have a label: for value 0 every other place is
    uniform over {0, 1, 2}; for v > 0 one other place, uniform, holds v, and the rest are
    uniform over the two other values. So, with n = num_classes,

    .. math:: P(c, i) = \frac1n \begin{cases} z\,3^{-(n-1)} & c_i = 0 \\
              \frac{1-z}{2}\,\frac{2^{-(n-2)}}{n-1} & c_i > 0 \text{ occurs twice}\end{cases}

    zero_share = `uniform_zero_share` makes all pairs (c, i) that have a label equally likely.

    Parameters
    ----------
    num_classes : int
        Places in the context, n in [3, 10].
    zero_share : float
        z in (0, 1). The default makes the three values equally likely at the pointer.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Examples
    --------
    Three places: for each pointer 3^2 contexts with a 0 there, and for each of the values 1
    and 2 two partners with two fillings of the last place, hence 3 (9 + 2 2 2) examples:

    >>> examples = Task(3).examples()
    >>> len(examples), float(examples.probability.sum().round(12))
    (51, 1.0)
    """

    num_classes: int = 8
    zero_share: float = 1 / 3

    def __post_init__(self) -> None:
        whole = isinstance(self.num_classes, int) and not isinstance(self.num_classes, bool)
        if not whole or not VALUES <= self.num_classes <= MOST_CLASSES:
            raise InputError(
                f"mapping task: num_classes = {self.num_classes!r} must be an integer in"
                f" [{VALUES}, {MOST_CLASSES}]"
            )
        if not 0 < self.zero_share < 1:
            raise InputError(f"mapping task: zero_share = {self.zero_share} must be in (0, 1)")

    @property
    def uniform_zero_share(self) -> float:
        """The zero_share at which every example is as likely as every other.

        >>> round(Task(3).uniform_zero_share, 4)  # 9 of 9 + 8
        0.5294
        """
        zeros, pairs = self._counts()
        return zeros / (zeros + pairs)

    @property
    def shortcut_loss(self) -> float:
        """Loss of knowing zeros and nothing of pairs, nats: (1 - zero_share) log(n - 1).

        The least cross-entropy among predictors that see the pointer and whether it points at
        a 0: they name i there, and else guess among the other places.

        >>> round(Task(8).shortcut_loss, 4)  # 2/3 log 7
        1.2973
        """
        return float((1 - self.zero_share) * np.log(self.num_classes - 1))

    def examples(self) -> Examples:
        """All examples with their probabilities, in the order of contexts read as numbers."""
        n = self.num_classes
        codes = np.arange(VALUES**n)[:, None] // VALUES ** np.arange(n)[::-1]
        contexts = np.repeat((codes % VALUES).astype(np.int64), n, axis=0)
        pointers = np.tile(np.arange(n, dtype=np.int64), VALUES**n)
        chosen = contexts[np.arange(pointers.size), pointers]
        same = contexts == chosen[:, None]
        kept = (chosen == 0) | (same.sum(axis=1) == 2)
        contexts, pointers, chosen, same = (a[kept] for a in (contexts, pointers, chosen, same))
        same[np.arange(pointers.size), pointers] = False
        labels = np.where(chosen == 0, pointers, same.argmax(axis=1)).astype(np.int64)
        zeros, pairs = self._counts()
        probability = np.where(chosen == 0, self.zero_share / zeros, (1 - self.zero_share) / pairs)
        return Examples(contexts, pointers, labels, probability / n)

    def sample(self, count: int, rng: np.random.Generator) -> Examples:
        """Draw examples by the recipe, without listing them; each counts 1 / count.

        >>> drawn = Task(4).sample(5, np.random.default_rng(0))
        >>> all(label_of(c, i) == y for c, i, y in zip(drawn.context, drawn.pointer, drawn.label))
        True
        """
        if count < 1:
            raise InputError(f"sample: count = {count} must be at least 1")
        n, row = self.num_classes, np.arange(count)
        pointer = rng.integers(n, size=count)
        is_zero = rng.random(count) < self.zero_share
        value = np.where(is_zero, 0, rng.integers(1, VALUES, size=count))
        partner = (pointer + rng.integers(1, n, size=count)) % n
        free = rng.integers(VALUES, size=(count, n))
        # Beside a pair only two values are left: those that follow its own, cyclically.
        other = (value[:, None] + rng.integers(1, VALUES, size=(count, n))) % VALUES
        context = np.where(is_zero[:, None], free, other)
        context[row, pointer] = value
        context[row[~is_zero], partner[~is_zero]] = value[~is_zero]
        label = np.where(is_zero, pointer, partner)
        return Examples(context, pointer, label, np.full(count, 1 / count))

    def _counts(self) -> tuple[int, int]:
        """Examples per pointer with a 0 there, and with a pair."""
        n = self.num_classes
        return VALUES ** (n - 1), 2 * (n - 1) * 2 ** (n - 2)


def label_of(context: npt.ArrayLike, pointer: int) -> int:
    """The label of one example, from the definition.

    Raises
    ------
    InputError
        The pointer is outside the context, or its value is not 0 and does not occur twice.

    Examples
    --------
    >>> label_of([0, 2, 1, 2], 0), label_of([0, 2, 1, 2], 1)
    (0, 3)
    """
    values = [int(v) for v in np.asarray(context)]
    if not 0 <= pointer < len(values):
        raise InputError(f"label_of: pointer = {pointer} must be in [0, {len(values) - 1}]")
    if values[pointer] == 0:
        return int(pointer)
    others = [j for j, v in enumerate(values) if v == values[pointer] and j != pointer]
    if len(others) != 1:
        raise InputError(
            f"label_of: value {values[pointer]} must occur twice, not {1 + len(others)} times"
        )
    return others[0]
