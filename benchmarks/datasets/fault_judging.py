"""What a fault run came to: the notes of its processes beside what is in the store afterwards (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.datasets.fault_journal import Note

_MISSING = ("ObjectMissing", "NotInPlace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A version that is final, as it was found when all was over: the digest of its checkout, or what went wrong.

    Attributes:
        differences: From what its writer had written down, a line each; a few.
    """

    id: int
    digest: str = ""
    error: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Counts of versions, unless said otherwise.

    Attributes:
        finalized: Ever, deleted ones included.
        kept: Final at the end.
        verified: Of those, checked out again and equal to the folder that they were made of.
        wrong: Checked out, and something else.
        missing: That need an object which is in no pack.
        unreadable: That could not be checked out for another reason.
        unfounded: Final, though nobody was about to finalize them, or what they hold was never written down.
        lost: That their writer was told are final, and are not, nor were deleted.
        resumed: Drafts of dead writers that another life went on with.
        discarded: Drafts of dead writers that were thrown away.
        unheard: That became final, and whose writer died before it heard so.
        conflicts: Drafts refused because another writer was first.
        drafts_left: Open drafts, when all was over.
        reads: Local copies that were compared with what was written down.
        wrong_reads: Of those, different.
        unavailable: Errors that say that it may work in a moment; the process tried again.
        errors: Others, by kind: none is expected.
    """

    finalized: int
    kept: int
    verified: int
    wrong: int
    missing: int
    unreadable: int
    unfounded: int
    lost: int
    resumed: int
    discarded: int
    unheard: int
    conflicts: int
    drafts_left: int
    reads: int
    wrong_reads: int
    unavailable: int
    errors: Mapping[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        bad = self.wrong + self.missing + self.unreadable + self.unfounded + self.lost + self.wrong_reads
        return not bad and not self.errors and not self.drafts_left and self.verified == self.kept

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def judge(notes: Iterable[Note], checked: Sequence[Checked], drafts_left: int) -> Judgement:
    """Judges a run.

    Args:
        notes: Of all processes, in order for each.
        checked: All versions that are final or published at the end.
        drafts_left: Drafts that are still open.
    """
    by_kind: dict[str, list[Note]] = {}
    for note in notes:
        by_kind.setdefault(note["what"], []).append(note)
    meant: dict[int, str] = {note["id"]: note["digest"] for note in by_kind.get("finalizing", ())}  # the last counts
    finalized = by_kind.get("finalized", [])
    heard = {note["id"] for note in finalized}
    deleted = {note["id"] for note in by_kind.get("deleting", ())}
    kept = {one.id for one in checked}
    read = [note for note in by_kind.get("read", ()) if note["id"] in meant]
    errors = by_kind.get("error", [])
    return Judgement(
        finalized=len(heard | kept),
        kept=len(kept),
        verified=sum(bool(one.digest) and one.digest == meant.get(one.id) for one in checked),
        wrong=sum(bool(one.digest) and one.id in meant and one.digest != meant[one.id] for one in checked),
        missing=sum(one.error in _MISSING for one in checked),
        unreadable=sum(bool(one.error) and one.error not in _MISSING for one in checked),
        unfounded=len(kept - meant.keys()),
        lost=len(heard - deleted - kept),
        resumed=len(by_kind.get("resumed", ())),
        discarded=sum(note.get("because") == "chosen" for note in by_kind.get("discarded", ())),
        unheard=sum(bool(note.get("unheard")) for note in finalized),
        conflicts=len(by_kind.get("conflict", ())),
        drafts_left=drafts_left,
        reads=len(read),
        wrong_reads=sum(note["digest"] != meant[note["id"]] for note in read),
        unavailable=sum(bool(note["transient"]) for note in errors),
        errors=dict(Counter(note["kind"] for note in errors if not note["transient"])),
    )
