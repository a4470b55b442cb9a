"""Scripts without an index, and how a file is told from an archive."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from vya_backupdb.archive import plain
from vya_backupdb.archive.plain import PlainScript
from vya_backupdb.archive.reader import Archive
from vya_backupdb.archive.source import open_source
from vya_backupdb.archive.writer import ArchiveWriter
from vya_backupdb.errors import DamagedArchive, DumpFailed, Refused, StorageError
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.streams.codec import Codec

SCRIPT = b"header 1\nschema 2\nrows a 3\nschema 4\nrows b 5\nrows a 6\npost 7\nfooter 8\n"
NOT_ROWS = frozenset(SectionKind) - {SectionKind.ROWS}


class LineReader:
    """A dialect of one section a line: `kind [table] rows`; it must end with a footer."""

    passes = 0

    def __init__(self) -> None:
        LineReader.passes += 1
        self._rest = b""
        self._whole = False

    def feed(self, data: bytes) -> Iterator[Section]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            kind, *table, number = line.decode().split()
            self._whole = kind == "footer"
            rows = int(number) if kind == "rows" else 0
            body = line + b"\n"
            yield Section(
                SectionKind(kind), body, table[0] if table else None, rows, largest_statement=len(body)
            )

    def finish(self) -> Iterator[Section]:
        if not self._whole or self._rest:
            raise DumpFailed("the script has no end", cure="dump again")
        yield from ()


@pytest.fixture(autouse=True)
def _no_passes() -> None:
    LineReader.passes = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dump.sql"
    path.write_bytes(SCRIPT)
    return path


@pytest.fixture
def script(path: Path) -> PlainScript:
    return PlainScript(path, LineReader)


def bodies(sections: Iterator[Section]) -> bytes:
    return b"".join(section.body for section in sections)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_sections_are_given_by_kind_however_the_file_is_compressed(compress: type[bytes], path: Path) -> None:
    path.write_bytes(compress(SCRIPT))
    script = PlainScript(path, LineReader)
    assert bodies(script.sections(frozenset(SectionKind))) == SCRIPT
    assert bodies(script.sections({SectionKind.SCHEMA})) == b"schema 2\nschema 4\n"
    assert bodies(script.sections({SectionKind.ROWS})) == b"rows a 3\nrows b 5\nrows a 6\n"


def test_what_is_not_rows_is_read_from_the_file_once(script: PlainScript) -> None:
    for _ in range(3):
        assert bodies(script.sections(NOT_ROWS)) == b"header 1\nschema 2\nschema 4\npost 7\nfooter 8\n"
    assert LineReader.passes == 1


def test_more_than_fits_in_memory_is_read_again_each_time(
    script: PlainScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "MOST_KEPT", 20)
    for _ in range(3):
        assert bodies(script.sections(NOT_ROWS)) == b"header 1\nschema 2\nschema 4\npost 7\nfooter 8\n"
    assert LineReader.passes == 3


def test_a_pass_that_is_broken_off_keeps_nothing(script: PlainScript) -> None:
    next(script.sections(NOT_ROWS))
    assert script.expected_rows() is None
    assert bodies(script.sections(NOT_ROWS)) == b"header 1\nschema 2\nschema 4\npost 7\nfooter 8\n"


def test_the_rows_of_each_table_are_known_after_a_pass(script: PlainScript) -> None:
    assert script.expected_rows() is None
    assert [task.read().body for task in script.row_tasks()] == [b"rows a 3\n", b"rows b 5\n", b"rows a 6\n"]
    assert script.expected_rows() == {"a": 9, "b": 5}


def test_a_scan_gives_the_totals_in_one_pass(script: PlainScript) -> None:
    assert script.scan() == script.scan()
    totals = script.scan()
    assert totals.tables == {"a": 9, "b": 5}
    assert totals.raw_bytes == len(SCRIPT)
    assert totals.largest_statement == 9
    assert totals.sections == {
        SectionKind.HEADER: 1,
        SectionKind.SCHEMA: 2,
        SectionKind.ROWS: 3,
        SectionKind.POST: 1,
        SectionKind.FOOTER: 1,
    }
    assert LineReader.passes == 1


def test_the_bytes_of_a_script_are_known_where_it_is_not_compressed(path: Path) -> None:
    assert PlainScript(path, LineReader).raw_bytes == len(SCRIPT)
    path.write_bytes(gzip.compress(SCRIPT))
    compressed = PlainScript(path, LineReader)
    assert compressed.raw_bytes is None
    compressed.scan()
    assert compressed.raw_bytes == len(SCRIPT)


def test_a_byte_order_mark_is_no_part_of_the_script(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SCRIPT)
    assert bodies(PlainScript(path, LineReader).sections(frozenset(SectionKind))) == SCRIPT


@pytest.mark.parametrize(
    "content",
    [SCRIPT[:-1], SCRIPT[:30], b"", gzip.compress(SCRIPT[:30])],
    ids=["last line", "middle", "nothing", "gzip"],
)
def test_a_script_that_is_cut_short_is_damaged(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(DamagedArchive, match=r"dump\.sql: the script has no end"):
        PlainScript(path, LineReader).scan()


def test_a_compressed_script_that_is_cut_short_is_damaged(path: Path) -> None:
    path.write_bytes(gzip.compress(SCRIPT)[:-1])
    with pytest.raises(DamagedArchive, match="cut short"):
        PlainScript(path, LineReader).scan()


def test_a_script_that_is_not_there_is_a_fault_of_the_store(tmp_path: Path) -> None:
    absent = PlainScript(tmp_path / "absent", LineReader)
    uses: list[Callable[[], object]] = [absent.__enter__, absent.scan, lambda: absent.raw_bytes]
    for use in uses:
        with pytest.raises(StorageError, match="absent"):
            use()


def tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("toc.dat")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (b"PGDMP\x01\x0e\0", "pg_restore"),
        (bz2.compress(SCRIPT), "decompress it first"),
        (lzma.compress(SCRIPT), "decompress it first"),
        (b"PK\x03\x04", "unpack"),
        (tar(SCRIPT), "unpack"),
        ("\ufeffSET NAMES".encode("utf-16-le"), "iconv"),
    ],
)
def test_what_is_no_plain_script_is_refused_with_what_to_do(content: bytes, cure: str, path: Path) -> None:
    path.write_bytes(content)
    with (
        pytest.raises(Refused, match=r"dump\.sql: is no plain dump") as caught,
        open_source(path, LineReader),
    ):
        pass
    assert cure in (caught.value.cure or "")


# ---------------------------------------------------------------------------- archives and plain scripts


def make_archive(codec: Codec) -> bytes:
    sink = io.BytesIO()
    with ArchiveWriter(sink, codec, 1) as writer:
        for section in LineReader().feed(SCRIPT):
            writer.write(section)
        writer.finish()
    return sink.getvalue()


CODECS = [Codec("zstd", 3), Codec("gzip", 2), Codec("none", 0)]


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_both_kinds_of_source_say_the_same(codec: Codec, path: Path) -> None:
    archive_path = path.with_name("archive")
    archive_path.write_bytes(make_archive(codec))
    with open_source(path, LineReader) as script, open_source(archive_path, LineReader) as archive:
        assert isinstance(script, PlainScript)
        assert isinstance(archive, Archive)
        assert list(script.sections(NOT_ROWS)) == list(archive.sections(NOT_ROWS))
        assert [task.read() for task in script.row_tasks()] == [task.read() for task in archive.row_tasks()]
        assert script.expected_rows() == archive.expected_rows()
        assert script.scan() == archive.scan()
        assert script.raw_bytes == archive.raw_bytes
        assert (script.path, archive.path) == (path, archive_path)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_truncated_archive_is_never_taken_for_a_plain_script(codec: Codec, path: Path) -> None:
    data = make_archive(codec)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises((DamagedArchive, ValueError)), open_source(path, LineReader) as source:
            # cut in its very first line it is not known any more, but it is no whole script either
            assert isinstance(source, PlainScript)
            source.scan()
