"""What a picture says of the laws behind it: a caption for people, a record for machines."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from capgap.counts import short
from capgap.plotting.style import source_line
from capgap.theory.law_set import LawSet, to_dict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["law_caption", "law_provenance"]

_LAW_NAMES = {
    "eq8": "Eq. 8",
    "eq8-reduced": "Eq. 8, reduced form",
    "hinge": "hinge law",
    "hinge-additive": "additive hinge law",
}
_LETTERS_PER_INCH = 20  # of the source line's font


def law_caption(
    figure: "Figure", laws: LawSet, *notes: str, outside: str = "Dashed or hatched"
) -> None:
    """Write the source line: which laws, whose numbers, notes, and where they are extrapolated.

    `outside` says how the picture shows extrapolation: "Dashed", "Hatched".
    """
    kind = _LAW_NAMES[to_dict(laws)["laws"]["taught"]]
    sentences = [f"Law set “{laws.name}” ({kind}): {laws.source}.", *notes]
    if laws.fitted:
        ranges = ", ".join(
            f"${name}$ {short(low)} to {short(high)}"
            for name, (low, high) in sorted(laws.fitted.items())
        )
        sentences.append(f"{outside}: extrapolation beyond the runs fitted ({ranges}).")
    width = int(_LETTERS_PER_INCH * figure.get_figwidth())
    lines = [line for text in sentences for line in textwrap.wrap(text, width)]
    source_line(figure, "\n".join(lines))


def law_provenance(
    laws: LawSet, figure: str, headline: Mapping[str, float], **settings: object
) -> dict[str, object]:
    """The record beside a picture: laws with every coefficient, settings, numbers found."""
    record = to_dict(laws)
    del record["draws"]  # as many as the bootstrap made, and none of them is drawn
    return {
        "figure": figure,
        "source": laws.source,
        "law_set": record,
        "units": "losses in nats per token; N non-embedding parameters; D tokens; FLOPs",
        "seed": None,
        "headline": dict(headline),
        **settings,
    }
