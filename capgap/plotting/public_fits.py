"""Picture of the public runs: exponents by set, and the largest runs as they were foretold."""

from pathlib import Path
from typing import TYPE_CHECKING

from capgap.comparison.public_fits import PublicFit, public_columns
from capgap.plotting.fit_parts import lay_out, symbol
from capgap.plotting.fits import save_fit_figure, write_source
from capgap.plotting.style import INK, figure_headline, new_panels, panel_title, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_public_fits", "save_public_fits"]

SHOWN = ("E", "alpha", "beta")
UNITS = {"E": "nats per token", "alpha": "power of N", "beta": "power of D"}
MISFITS = ("lack-of-fit", "residual-structure", "repeats-disagree")
FAMILIES = {
    "chinchilla": "#0072B2", "gemstones": "#D55E00", "gadre": "#009E73", "datablations": "#CC79A7",
}  # fmt: skip
SOURCE = (
    "Plain law on openly licensed runs: Hoffmann et al. 2022 (read off by Epoch AI), McLeish et"
    " al. 2025, Gadre et al. 2024, Muennighoff et al. 2023. Tokenizers and texts differ, so E is"
    " not comparable between families."
)


def draw_public_fits(fits: tuple[PublicFit, ...], level: float = 0.9) -> "Figure":
    """E, alpha and beta of the plain law on every set, with intervals; open: a misfit was found."""
    plain = [one for one in fits if one.law == "plain"]
    figure, panels = new_panels(len(SHOWN), width=9.4, height=2.0 + 0.27 * len(plain), headroom=0.9)
    lay_out(figure, panels, left=1.75 / figure.get_figwidth(), wspace=0.1)
    for axes, name in zip(panels, SHOWN, strict=True):
        for place, one in enumerate(reversed(plain)):
            low, high = one.summary.intervals[name]
            color = FAMILIES.get(one.name.partition("-")[0], INK)
            axes.plot([low, high], [place, place], color=color, linewidth=2.4, alpha=0.55)
            filled = not _bent(one)
            axes.plot(
                one.summary.fit.coefficients[name], place, "o", color=color, markersize=5,
                markerfacecolor=color if filled else "white",
            )  # fmt: skip
        axes.set_yticks([])
        axes.set_ylim(-0.7, len(plain) - 0.3)
        axes.set_xlabel(UNITS[name])
        panel_title(axes, symbol(name))
    panels[0].set_yticks(range(len(plain)), [one.name for one in reversed(plain)])
    bent = sum(map(_bent, plain))
    figure_headline(
        figure,
        f"The plain law misses something in {bent} of {len(plain)} public sets",
        f"its coefficients with {level:.0%} intervals; open: residuals bend with N or D, or"
        " exceed what repeated runs allow",
    )
    write_source(figure, SOURCE)
    return figure


def _bent(one: PublicFit) -> bool:
    """Whether the fit's examination found that the law does not describe the runs."""
    return any(finding.code in MISFITS for finding in one.summary.findings)


def save_public_fits(fits: tuple[PublicFit, ...], out: Path, name: str = "public_fits") -> None:
    """Write the picture; a row of the CSV for each set and law, with everything found."""
    level = fits[0].summary.request.level
    columns = public_columns(fits)
    with style():
        save_fit_figure(
            draw_public_fits(fits, level), out, name, columns,
            {"sets": len({one.name for one in fits}), "level": level},
            {"refits": fits[0].summary.request.refits, "seed": fits[0].summary.request.seed},
            SOURCE,
        )  # fmt: skip
