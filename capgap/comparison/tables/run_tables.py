"""What a source of runs holds: models trained on data, students of teachers, or both."""

from dataclasses import dataclass

from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError

__all__ = ["RunTables"]


@dataclass(frozen=True, slots=True)
class RunTables:
    """The tables of one source; a file has one of them, a folder of run records may have both.

    Attributes
    ----------
    source : str
        Where they come from, for messages.
    supervised, taught : RunTable or None
        Runs without and with a teacher.
    failed : int
        Runs that failed: never in a table.
    notes : tuple of str
        What else a reader should know, such as which runs were not used.
    """

    source: str
    supervised: RunTable | None = None
    taught: RunTable | None = None
    failed: int = 0
    notes: tuple[str, ...] = ()

    def table(self, taught: bool | None = None) -> RunTable:
        """One of the two.

        Parameters
        ----------
        taught : bool or None
            Runs with teachers or without; None: the only ones there are.

        Raises
        ------
        InputError
            The source lacks the table, or has both and neither was chosen.
        """
        if taught is None and self.supervised is not None and self.taught is not None:
            raise InputError(
                f"runs: {self.source} has {len(self.supervised)} supervised runs and"
                f" {len(self.taught)} students of teachers, must be told which to use"
            )
        if taught is None:
            taught = self.supervised is None
        table = self.taught if taught else self.supervised
        if table is None:
            what = "students of teachers" if taught else "supervised runs"
            raise InputError(f"runs: {self.source} has no {what}, must have some")
        return table
