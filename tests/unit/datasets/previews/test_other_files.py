"""Pictures, arrays, Parquet, text, and what is none of them."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import sys
import zipfile

import numpy as np
import pytest
from tests.unit.datasets.previews.samples import npy, npz, one, png, preview_of

from meristem.datasets.previews import Limits
from meristem.datasets.previews.preview import ColumnType, FileKind


def test_a_picture_has_its_size_and_a_small_picture() -> None:
    pytest.importorskip("PIL")
    found = one("a.png", png(600, 400))
    assert (found.kind, found.facts) == (FileKind.IMAGE, (("width", 600), ("height", 400), ("mode", "RGB")))
    small = base64.b64decode(found.thumbnail)
    assert len(small) <= 20_000
    assert struct.unpack(">II", small[16:24]) == (160, 107)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I", "F", "P", "LA", "RGBA", "CMYK", "YCbCr"])
def test_pictures_of_all_modes_are_drawn(mode: str) -> None:
    image = pytest.importorskip("PIL.Image")
    with io.BytesIO() as out:
        image.new(mode, (300, 200), 1 if mode in ("1", "L", "I", "I;16", "F", "P") else None).save(out, "TIFF")
        found = one("a.tiff", out.getvalue())
    assert not found.notes
    assert found.thumbnail


def test_a_noisy_picture_fits_too() -> None:
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
    with io.BytesIO() as out:
        image.fromarray(noise).save(out, "PNG")
        found = one("n.png", out.getvalue(), Limits(thumbnail_bytes=6_000))
    assert 0 < len(base64.b64decode(found.thumbnail)) <= 6_000


def test_without_pillow_pictures_have_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(10) + b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 480, 640) + bytes(20)
    gif = b"GIF89a" + struct.pack("<HH", 32, 16) + bytes(20)
    for path, content, size in (
        ("a.png", png(30, 20), (30, 20)),
        ("a.jpg", jpeg, (640, 480)),
        ("a.gif", gif, (32, 16)),
    ):
        found = one(path, content)
        assert found.facts == (("width", size[0]), ("height", size[1]))
        assert found.notes == ("Not drawn: Pillow is missing.",)


def test_a_picture_that_claims_to_be_huge_is_not_decoded() -> None:
    found = one("bomb.png", png(100_000, 100_000, rows=1))
    assert found.notes == ("Not drawn: 100,000 x 100,000 pixels are many.",)
    assert not found.thumbnail


@pytest.mark.parametrize("content", [png(30, 20)[:40], png(200, 200)[:90], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_broken_pictures_are_told(content: bytes) -> None:
    found = one("a.png", content)
    assert found.kind is FileKind.IMAGE
    assert any("It cannot be drawn" in note or note == "It is no image that can be read." for note in found.notes)
    assert not any("0x" in note for note in found.notes)


def test_all_pictures_together_have_a_limit() -> None:
    files = {f"{i}.png": png(1000, 1000) for i in range(4)}
    found = preview_of(files, Limits(all_pixels=2_500_000)).previews
    assert [bool(picture.thumbnail) for picture in found] == [True, True, False, False]


def test_an_array_has_shape_type_and_statistics() -> None:
    (array,) = one("a.npy", npy(np.arange(12, dtype=np.int32).reshape(3, 4))).arrays
    assert (array.shape, array.dtype, array.note) == ((3, 4), "int32", "")
    assert array.values is not None
    assert (array.values.type, array.values.low, array.values.high, array.values.mean) == (ColumnType.INT, 0, 11, 5.5)


def test_arrays_of_an_archive_are_listed() -> None:
    found = one("a.npz", npz(x=np.ones((2, 3)), y=np.array([1, np.nan]), z=np.array(["a", "b"])))
    assert [(array.name, array.shape, array.values is None) for array in found.arrays] == [
        ("x", (2, 3), False), ("y", (2,), False), ("z", (2,), True),
    ]  # fmt: skip
    assert found.arrays[1].values is not None
    assert (found.arrays[1].values.missing, found.arrays[1].values.count) == (1, 1)


def test_pickles_are_never_opened() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("a pickle was opened",))

    found = one("o.npy", npy(np.array([Trap()], dtype=object)))
    assert found.notes == ("It holds Python objects (pickle), which are not opened.",)
    import pickle

    assert one("o.pkl", pickle.dumps(Trap())).notes == ("It is not opened: reading a pickle runs what it says.",)


def test_of_many_values_each_nth_is_taken() -> None:
    (array,) = one("a.npy", npy(np.zeros(3_000_000, np.uint8))).arrays
    assert array.step == 3
    assert array.values is not None
    assert array.values.count == 1_000_000


@pytest.mark.parametrize(
    "header",
    [b"{'descr':'<f8','fortran_order':False,'shape':(99999999999,99999999999)}", b"{'shape':(-3,)}", b"[" * 3000,
     b"{'descr':'|V99999999999','fortran_order':False,'shape':(1,)}", b"__import__('os')", b"\0"],
)  # fmt: skip
def test_hostile_headers_of_arrays_are_told(header: bytes) -> None:
    found = one("h.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", len(header) + 1) + header + b"\n")
    assert found.kind is FileKind.ARRAYS
    assert found.notes
    assert not any("cannot be shown" in note for note in found.notes)


def test_of_a_zip_bomb_no_more_is_unpacked_than_allowed() -> None:
    found = one("bomb.npz", npz(x=np.zeros(30_000_000, np.uint8)), Limits(whole_bytes=1 << 20))
    (array,) = found.arrays
    assert "first" in array.note
    assert array.values is not None
    assert array.values.count < 1 << 20


def test_a_zip_with_a_huge_directory_is_not_opened() -> None:
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w") as archive:
            for place in range(3000):
                archive.writestr(f"{place:0200d}", b"")
        content = out.getvalue()
    found = one("many.npz", content, Limits(whole_bytes=1, head_bytes=1000))
    assert found.notes == ("It cannot be opened: its directory is too large.",)
    assert one("a.zip", content).facts[0] == ("files", 3000)


def test_a_bomb_in_gzip_is_unpacked_in_part() -> None:
    found = one("b.csv.gz", gzip.compress(b"1,2\n" * 2_000_000), Limits(whole_bytes=100_000))
    assert found.table is not None
    assert found.table.rows is None
    assert found.table.seen == 24_999
    assert one("b.csv.gz", b"\x1f\x8b\x08garbage").notes


def test_parquet_has_its_rows_types_and_statistics() -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"n": list(range(500)), "x": [None, 1.5] * 250, "k": ["a", "b"] * 250, "l": [[1]] * 500})
    with io.BytesIO() as out:
        pq.write_table(table, out, row_group_size=300)
        content = out.getvalue()
    found = one("t.parquet", content)
    assert found.table is not None
    assert (found.table.rows, found.table.seen) == (500, 300)
    types = {column.name: (column.type.value, column.missing) for column in found.table.columns}
    assert types == {"n": ("int", 0), "x": ("float", 150), "k": ("category", 0), "l": ("category", 0)}
    assert found.table.head[0] == ("0", None, "a", "[1]")
    assert found.notes == ("Statistics are over its first 300 rows only.",)
    assert one("t.parquet", content[:-100]).notes == ("It is broken: its footer is too large.",)
    for broken in (content[:-100], content[:50] + bytes(100) + content[150:], b"PAR1" + bytes(50) + b"\x10\0\0\0PAR1"):
        assert not any("cannot be shown" in note for note in one("t.parquet", broken).notes)


def test_text_has_its_first_lines() -> None:
    found = one("notes.md", b"# Title\n\n" + b"line\n" * 50 + b"x" * 500)
    assert found.facts == (("lines", 53), ("encoding", "UTF-8"))
    assert len(found.lines) == 20
    assert one("long.md", b"y" * 100_000 + b"\nnext").lines == ("y" * 199 + "…", "next")


@pytest.mark.parametrize(
    ("path", "content", "note"),
    [("a.parquet", b"a,b\n1,2\n", "Its name says Parquet, but it is text."),
     ("a.csv", png(3, 2), "Its name says CSV, but it is PNG."),
     ("a.png", npy(np.zeros(3)), "Its name says PNG, but it is NumPy."),
     ("a.json", b"hello\n", "Its name says JSON, but it is none: Expecting value.")],
)  # fmt: skip
def test_a_wrong_suffix_is_told(path: str, content: bytes, note: str) -> None:
    assert one(path, content).notes[0] == note


def test_what_is_unknown_or_empty_is_said_to_be_so() -> None:
    assert one("m.bin", bytes(range(256)) * 10).kind is FileKind.BINARY
    assert one("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(50)).format == "HDF5"
    assert one("e.csv", b"").kind is FileKind.EMPTY
    assert one("e.csv", b"\n\n").kind is FileKind.EMPTY


def test_a_file_that_cannot_be_read_is_told() -> None:
    from meristem.datasets.previews import make_preview

    def read(path: str, start: int, length: int) -> bytes:
        raise OSError("the disk is gone")

    found = make_preview([("a.csv", 10)], read).previews[0]
    assert found.notes == ("It cannot be shown: OSError: the disk is gone.",)
