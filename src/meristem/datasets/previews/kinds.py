"""What a file is: by its first bytes where these say it, else by its suffix."""

from __future__ import annotations

MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"), (0, b"\xff\xd8\xff", "JPEG"), (0, b"GIF87a", "GIF"), (0, b"GIF89a", "GIF"),
    (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (8, b"WEBP", "WEBP"), (0, b"PAR1", "Parquet"),
    (0, b"\x93NUMPY", "NumPy"), (0, b"PK\x03\x04", "Zip"), (0, b"PK\x05\x06", "Zip"), (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"), (0, b"BZh", "bzip2"), (0, b"\xfd7zXZ\0", "xz"), (0, b"7z\xbc\xaf", "7-Zip"),
    (0, b"%PDF-", "PDF"), (0, b"\x89HDF\r\n\x1a\n", "HDF5"), (0, b"SQLite format 3\0", "SQLite"), (8, b"WAVE", "WAV"),
    (8, b"AVI ", "AVI"), (4, b"ftyp", "MP4"), (0, b"\x1aE\xdf\xa3", "Matroska"), (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"), (0, b"ID3", "MP3"), (0, b"ARROW1\0\0", "Arrow"), (0, b"ORC", "ORC"), (0, b"Obj\x01", "Avro"),
    (0, b"\x7fELF", "ELF program"), (128, b"DICM", "DICOM"), (257, b"ustar", "tar"), (344, b"n+1\0", "NIfTI"),
)  # fmt: skip
IMAGES = frozenset({"PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"})
TABLES = {"csv": ",\t;|", "tsv": "\t,;|", "tab": "\t,;|"}
MAYBE_TABLES = frozenset({"", "txt", "dat", "data", "asc"})
LINES = frozenset({"jsonl", "ndjson", "jsonlines"})
JSON = frozenset({"json", "geojson", "ipynb"})
_NAMED = {
    "png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP",
    "bmp": "BMP", "parquet": "Parquet", "npy": "NumPy", "npz": "Zip", "zip": "Zip", "gz": "gzip", "pdf": "PDF",
    "h5": "HDF5", "hdf5": "HDF5",
}  # fmt: skip
_PICKLES = frozenset({"pkl", "pickle", "joblib"})


def magic_of(start: bytes) -> str:
    """What the first bytes say; "" where they say nothing."""
    for place, mark, name in MAGICS:
        if start[place : place + len(mark)] == mark and (name not in ("WEBP", "WAV", "AVI") or start[:4] == b"RIFF"):
            return name
    # Two letters are too few: a bitmap's header has a known size too.
    if start[:2] == b"BM" and start[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0", b"\x0c\0\0\0"):
        return "BMP"
    return ""


def named(suffix: str) -> str:
    """What a suffix says that files have first bytes for; "" for others."""
    return _NAMED.get(suffix.rpartition(".")[2], "")


def is_pickle(suffix: str, start: bytes) -> bool:
    return suffix in _PICKLES or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and len(start) > 2)
