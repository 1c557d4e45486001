"""Writes a version of a dataset to a new folder, without Meristem: read_dataset.py PLACE PROJECT/NAME@VERSION FOLDER.
PLACE is a folder with packs/ and versions/; the format is told in datasets.md. Needs blake3 and zstandard."""
import contextlib, json, os, pathlib, struct, sys, urllib.parse  # noqa: E401, I001
from blake3 import blake3
from zstandard import ZstdDecompressor, ZstdError, frame_content_size

def need(fine, problem):
    return fine or sys.exit(f"refused: {problem}")

def quoted(part):  # as the folder of a project's or dataset's records is called
    text = urllib.parse.quote(part, safe="").replace("~", "%7E")
    text = text if text.strip(".") else text.replace(".", "%2E")
    return text if len(text) <= 200 else f"{text[:160]}-{blake3(part.encode()).hexdigest()[:32]}"

def look_into(pack, content):  # where each of its objects lies: (pack, offset, stored, length, codec)
    offset, _, _, end = struct.unpack("<QII8s", content[-24:])
    index = content[offset:-24]
    whole = (content[:12], end, blake3(index).hexdigest()) == (b"MERIPACK\1\0\0\0", b"KCAPIREM", pack.stem)
    for name, *at in struct.iter_unpack("<32sQIIB3x", index if whole else b""):  # another pack may hold the same
        lies.setdefault(name.hex(), []).append((pack, *at))

def load(name):  # an object: its first copy that is what its name says
    for pack, offset, stored, length, codec in lies.get(name, []):
        with open(pack, "rb") as file, contextlib.suppress(ZstdError):
            content = file.seek(offset) and file.read(stored)
            if codec == 1 and length <= stored << 15 and frame_content_size(content) == length:
                content = ZstdDecompressor().decompress(content)
            if blake3(content).hexdigest() == name:
                return content
    return need(name in known, f"no pack has object {name} whole") and known[name]

def walk(name, level=None):  # the rows of a manifest, in order
    node = json.loads(load(name))
    need(level in (None, node["level"]), f"node {name} stands at a level that is not its own")
    for row in node["rows"]:
        yield from walk(row[1], node["level"] - 1) if node["level"] else [row]

place, (name, number), folder = pathlib.Path(sys.argv[1]), sys.argv[2].rsplit("@", 1), os.path.realpath(sys.argv[3])
lies, known, links = {}, {blake3(empty).hexdigest(): empty for empty in (b"", b'{"level":0,"rows":[]}')}, []
for pack in place.glob("packs/??/*.pack"):
    look_into(pack, pack.read_bytes())
record = json.loads(place.joinpath("versions", *map(quoted, name.rsplit("/", 1)), f"{number}.json").read_text())
rows = list(walk(record["root"]))
told = (record["format"], record["entries"], record["bytes"])
need(told == (1, len(rows), sum(row[2] for row in rows)), f"the record of {name}@{number} says something else")
os.makedirs(folder)  # a new one: nothing in it can lead elsewhere
for path, kind, size, content, *_ in sorted(rows, key=lambda row: (row[1] == "l", -row[0].count("/"))):  # links last,
    need(not {"", ".", ".."} & set(path.split("/")) and "\0" not in path, f"the path {path!r}")  # the deepest first
    os.makedirs(os.path.dirname(at := os.path.join(folder, path)), exist_ok=True)
    if kind in ("f", "fx", "c", "cx"):
        chunks = [content] if kind[0] == "f" else [chunk for chunk, _ in json.loads(load(content))]
        with open(at, "xb") as file:
            need(sum(file.write(load(chunk)) for chunk in chunks) == size, f"{path!r} is not of {size} bytes")
        os.chmod(at, 0o755 if kind[1:] else 0o644)
    elif kind == "l":
        links.append(os.symlink(content, at) or at)
    elif need(kind in ("d", "u"), f"a row of kind {kind!r}") and kind == "d":  # "u" lies elsewhere
        os.makedirs(at, exist_ok=True)
for at in links:
    need(os.path.commonpath([folder, os.path.realpath(at)]) == folder or os.unlink(at), f"the link {at!r} leads out")
