"""What a benchmark found, and whether the goals are met; no torch."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DepthSpeed", "Goal", "SpeedReport"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A ratio that was measured and its bound: at least, or at most, `bound`."""

    text: str
    depth: int
    ratio: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the ratio is on the right side."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


@dataclass(frozen=True, kw_only=True)
class DepthSpeed:
    """Steps of one size.

    Attributes
    ----------
    depth, N, tokens : int
        Layers, non-embedding parameters, tokens per step.
    step_flops : float
        3 x forward FLOPs per token (`ModelShape.forward_flops`) x tokens.
    seconds : dict of str to float
        Least time of each piece: "plain", steps of ours by name ("float32", "bfloat16",
        "float32 compiled", ...), "teacher", "taught" (a distilled step, logits at hand),
        "online", "cached ..." (a distilled step that reads the form named from disk), "batch"
        (making a batch from a corpus), "together", "apart".
    teacher_depth, students : int
    shares : dict of str to float
        Of the first step of ours, by class of operation; empty if not profiled.
    peak_bytes : int
        Most memory of the process (a CUDA device: of the device) over these steps.
    """

    depth: int
    N: int
    tokens: int
    step_flops: float
    seconds: dict[str, float]
    teacher_depth: int
    students: int
    shares: dict[str, float]
    peak_bytes: int

    @property
    def ours(self) -> dict[str, float]:
        """Seconds of the forms of our step."""
        return {n: s for n, s in self.seconds.items() if n.startswith(("float32", "bfloat16"))}

    @property
    def fastest(self) -> str:
        """The fastest form of our step."""
        return min(self.ours, key=self.ours.__getitem__)

    def against_plain(self, name: str) -> float:
        """Time of the plain step over that of the piece `name`."""
        return self.seconds["plain"] / self.seconds[name]

    def share_of_peak(self, name: str, peak: float) -> float:
        """FLOP/s of a step over `peak`."""
        return self.step_flops / self.seconds[name] / peak

    def goals(self, peak: float) -> Iterator[Goal]:
        """The goals that apply to this size; `peak` is that of float32."""
        s, depth, best = self.seconds, self.depth, self.fastest
        base = s[next(iter(self.ours))]
        if self.N < 1_000_000:
            yield Goal(
                text=f"plain loop / ours ({best})",
                depth=depth, ratio=self.against_plain(best), bound=1.5, at_least=True,
            )  # fmt: skip
        if self.N >= 600_000:
            yield Goal(
                text=f"share of the float32 matmul peak ({best})",
                depth=depth, ratio=self.share_of_peak(best, peak), bound=0.5, at_least=True,
            )  # fmt: skip
        yield Goal(
            text="online KD step / (teacher forward + supervised step)",
            depth=depth, ratio=s["online"] / (s["teacher"] + base), bound=1.10, at_least=False,
        )  # fmt: skip
        for name in (name for name in s if name.startswith("cached")):
            yield Goal(
                text=f"{name} KD step / supervised step",
                depth=depth, ratio=s[name] / base, bound=1.15, at_least=False,
            )  # fmt: skip
        if "together" in s:
            yield Goal(
                text=f"{self.students} students one by one / from one teacher pass",
                depth=depth, ratio=s["apart"] / s["together"], bound=1.5, at_least=True,
            )  # fmt: skip
        yield Goal(
            text="making a batch / supervised step",
            depth=depth, ratio=s["batch"] / base, bound=0.05, at_least=False,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SpeedReport:
    """All sizes, and the machine's peaks in FLOP/s by dtype."""

    device: str
    threads: int
    clock: str
    peaks: dict[str, float]
    sizes: tuple[DepthSpeed, ...]

    @property
    def goals(self) -> tuple[Goal, ...]:
        """Goals of all sizes."""
        return tuple(goal for size in self.sizes for goal in size.goals(self.peaks["float32"]))
