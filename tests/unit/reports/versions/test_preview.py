"""A preview as a part of a version's page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.datasets.previews.samples import hostile, preview_of

from meristem.reports.versions.preview import preview_html


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_in_files_becomes_part_of_a_page() -> None:
    odd = hostile()
    for preview in (odd, replace(odd, previews=tuple(replace(p, thumbnail='"><script>') for p in odd.previews))):
        page = preview_html(preview)
        tags = Tags()
        tags.feed(page)
        assert not tags.found & {"script", "iframe", "object", "embed", "link"}
        assert not any(name.startswith("on") for name in tags.attributes)
        assert "\x1b" not in page


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30), st.binary(max_size=60),
                       max_size=8))  # fmt: skip
def test_any_files_can_be_shown(files: dict[str, bytes]) -> None:
    assert preview_html(preview_of(files)).startswith('<div class="preview">')


def test_a_preview_without_files_can_be_shown() -> None:
    assert "no files" in preview_html(preview_of({}))


def test_a_page_tells_how_many_files_it_shows() -> None:
    assert "12 of 31 files are shown." in preview_html(preview_of({f"{i}.txt": b"x" for i in range(31)}))
    assert "files are shown" not in preview_html(preview_of({"1.txt": b"x"}))
