"""Openly licensed runs shipped with the package; README.md beside them says what they are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

__all__ = ["PUBLIC", "PublicSet", "public_file"]


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A named selection of the rows of a shipped file.

    Attributes
    ----------
    name, description : str
        What to call it, and what it is.
    file, license : str
        Files of this folder: the rows, and the terms under which they may be passed on.
    columns : mapping
        Quantities to columns, as `capgap.comparison.tables.columns.plan_columns` takes them.
    where : tuple of str
        Which rows, as `capgap.comparison.tables.filters.parse_filter` takes them.
    """

    name: str
    description: str
    file: str
    license: str
    columns: Mapping[str, str]
    where: tuple[str, ...] = field(default=())


GEMSTONE_COLUMNS = {
    "N": "params_active_precise",
    "D": "tokens",
    "loss": "final_loss",
    # The checkpoints of one training run share its error.
    "cell": "run_name",
}
GADRE_COLUMNS = {
    "N": "params_no_embed",
    "D": "train_tokens",
    "loss": "loss",
    # Over sequences, not tokens: the tokens of a sequence are not independent.
    "lower_95": "loss_sequences_lower_95",
    "upper_95": "loss_sequences_upper_95",
}
DATABLATION_COLUMNS = {
    "N": "params",
    "D": "tokens",
    "loss": "val_loss",
    # The same for all seeds of a configuration, unlike (N, D): data are repeated or not.
    "cell": "name",
}
C4_TEXT = "training/eval_data/c4_val/shard-{0000000..0000010}.tar"
PALOMA = "training/eval_data/val_tok_mult/paloma_{}/00000001.tar"


def _gemstones(phase: str, what: str) -> PublicSet:
    return PublicSet(
        f"gemstones-{phase.replace('_', '-')}",
        f"Gemstones (McLeish et al. 2025): {what}",
        f"gemstones_{phase}.csv",
        "LICENSE-gemstones",
        GEMSTONE_COLUMNS,
    )


def _gadre(name: str, trained: str, text: str, what: str) -> PublicSet:
    return PublicSet(
        name,
        f"Over-trained models (Gadre et al. 2024): {what}",
        "gadre.csv.gz",
        "LICENSE-gadre",
        GADRE_COLUMNS,
        (f"train_dataset={trained}", f"val_data={text}"),
    )


_SETS = (
    PublicSet(
        "chinchilla",
        "Hoffmann et al. 2022, Fig. 4, read off by Epoch AI: losses below the 5th largest",
        "chinchilla.csv",
        "LICENSE-gemstones",
        {"N": "Model Size", "C": "Training FLOP", "loss": "loss"},
        ("loss<3.446995430227908",),
    ),
    _gemstones("hot", "checkpoints at the constant learning rate"),
    _gemstones("cool_begin", "checkpoints where a cooldown starts"),
    _gemstones("cool_end", "the same after the cooldown"),
    _gadre("gadre-c4", "c4_original", C4_TEXT, "trained on C4, loss on C4"),
    _gadre("gadre-redpajama", "rpj", C4_TEXT, "trained on RedPajama, loss on C4"),
    _gadre("gadre-refinedweb", "rw_original", C4_TEXT, "trained on RefinedWeb, loss on C4"),
    _gadre(
        "gadre-redpajama-own",
        "rpj",
        PALOMA.format("redpajama"),
        "trained on RedPajama, loss on RedPajama",
    ),
    _gadre(
        "gadre-refinedweb-own",
        "rw_original",
        PALOMA.format("falcon-refinedweb"),
        "trained on RefinedWeb, loss on RefinedWeb",
    ),
    PublicSet(
        "datablations",
        "Muennighoff et al. 2023: most runs repeat their data, so no law of N and D alone fits",
        "datablations.csv",
        "LICENSE-datablations",
        DATABLATION_COLUMNS,
    ),
    PublicSet(
        "datablations-unique",
        "Muennighoff et al. 2023: the runs that read every token once",
        "datablations.csv",
        "LICENSE-datablations",
        DATABLATION_COLUMNS,
        ("unique_tokens>=tokens",),
    ),
)
PUBLIC: Mapping[str, PublicSet] = MappingProxyType({one.name: one for one in _SETS})


@contextmanager
def public_file(one: PublicSet) -> Iterator[Path]:
    """The set's file on the disk."""
    with as_file(files(__package__).joinpath(one.file)) as path:
        yield path
