"""The report is one page that needs nothing else, and shows text as text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from capgap.errors import InputError
from capgap.report import Picture, Section, Table, render

PNG = bytes.fromhex("89504e470d0a1a0a")


def page(tmp_path: Path, *body: "str | Picture | Table") -> str:
    (tmp_path / "a.png").write_bytes(PNG)
    return render("T <b>", "lead & more", ["verdict"], [Section("S", body)], "footer")


class Checker(HTMLParser):
    """Collects tags and checks that they close in order."""

    VOID = frozenset({"meta", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_is_well_formed_and_escaped(tmp_path: Path) -> None:
    checker = Checker()
    checker.feed(
        page(
            tmp_path,
            "a < b & `code < 1`",
            Picture(tmp_path / "a.png", 'say "hi" <i>'),
            Table(("x", "y"), [("1", "<2>")]),
        )
    )
    assert checker.open == []
    assert {"h1", "h2", "figure", "img", "table", "code"} <= set(checker.seen)
    assert not {"b", "i", "script"} & set(checker.seen)
    for text in ("T <b>", "a < b & ", "code < 1", 'say "hi" <i>', "<2>", "verdict", "footer"):
        assert text in checker.text


def test_page_reaches_for_nothing_outside(tmp_path: Path) -> None:
    text = page(tmp_path, Picture(tmp_path / "a.png", "c"))
    assert re.findall(r'(?:src|href)="(.{0,15})', text) == ["data:image/png;"]
    assert "http" not in text
    assert "@import" not in text


def test_missing_picture_and_ragged_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*b\.png"):
        page(tmp_path, Picture(tmp_path / "b.png", "c"))
    with pytest.raises(InputError, match="does not fit header"):
        page(tmp_path, Table(("x", "y"), [("1",)]))
