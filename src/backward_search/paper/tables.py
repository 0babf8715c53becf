"""Tables of results as Markdown, CSV and LaTeX; a cell that was not run says so, and which command fills it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backward_search.storage.atomic import write_sheet, write_text
from backward_search.visible import cell, visible

NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what stands in it.
        command: where it was not run, what fills it.
        reason: why it could not be run, where there is more to say than that.
    """

    text: str
    command: str = ""
    reason: str = ""

    @classmethod
    def not_run(cls, command: str, reason: str = "") -> "Cell":
        """A cell that waits for a command."""
        return cls(NOT_RUN, command, reason)

    @property
    def remedy(self) -> str:
        """The command, and why."""
        return f"{self.command} ({self.reason})" if self.reason else self.command


@dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
        name: of its files, without suffix.
        title: what it shows.
        columns: their heads.
        rows: of each row as many cells as there are columns.
        notes: what has to be known of the numbers, one sentence each.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse rows of another length."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: {len(row)} cells for {len(self.columns)} columns")

    @property
    def remedies(self) -> list[str]:
        """What fills the cells that were not run, each once, in the order in which the marks count them."""
        return list(dict.fromkeys(cell.remedy for row in self.rows for cell in row if cell.command))

    def lines(self) -> list[list[str]]:
        """The rows as text, where a mark such as [2] refers to a remedy."""
        number = {remedy: place for place, remedy in enumerate(self.remedies, 1)}
        return [
            [f"{cell.text} [{number[cell.remedy]}]" if cell.command else cell.text for cell in r] for r in self.rows
        ]


def write_table(table: PaperTable, place: Callable[[str], Path]) -> list[Path]:
    """Write a table in all three forms.

    Args:
        table: the table.
        place: the file of a suffix, such as ".md".
    """
    return [
        write_text(place(".md"), markdown(table)),
        write_sheet(place(".csv"), table.columns, csv_rows(table)),
        write_text(place(".tex"), latex(table)),
    ]


def markdown(table: PaperTable) -> str:
    """The table in Markdown."""
    body = [table.columns, ["---"] * len(table.columns), *table.lines()]
    lines = [
        f"**{table.title}**",
        "",
        *(f"| {' | '.join(map(cell, row))} |" for row in body),
        "",
        *map(visible, table.notes),
    ]
    remedies = [f"- [{number}] {NOT_RUN}: `{visible(remedy)}`" for number, remedy in enumerate(table.remedies, 1)]
    return "\n".join([*lines, *([""] if remedies else []), *remedies]) + "\n"


def csv_rows(table: PaperTable) -> list[list[str]]:
    """The rows of the CSV file; a cell that was not run holds its command."""
    return [[f"{NOT_RUN}: {cell.remedy}" if cell.command else cell.text for cell in row] for row in table.rows]


def latex(table: PaperTable) -> str:
    """The table as a LaTeX float that needs no package."""
    body = [rf"{' & '.join(map(escaped, row))} \\" for row in table.lines()]
    below = [
        *map(escaped, table.notes),
        *(rf"[{number}] \texttt{{{escaped(remedy)}}}" for number, remedy in enumerate(table.remedies, 1)),
    ]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escaped(table.title)}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
            r"\hline",
            rf"{' & '.join(map(escaped, table.columns))} \\",
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            *(rf"\par\footnotesize {line}" for line in below),
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    r"""Text in which LaTeX's own signs stand for themselves.

    >>> print(escaped("a_b & 5 %"))
    a\_b \& 5 \%
    """
    signs = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    signs |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(signs.get(sign, sign) for sign in visible(text))
