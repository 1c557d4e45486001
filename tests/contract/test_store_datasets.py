"""What every store must do with datasets and their versions, on SQLite in memory and in a file, and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meristem.errors import (
    DatasetNotFound,
    DraftMoved,
    InputError,
    VersionConflict,
    VersionNotFound,
    VersionRefused,
)
from meristem.events import DatasetEventKind
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import EpochMoved, PacksGone, PackState, ReaderKind, VersionRow
from meristem.store.store import Store

EMPTY = "e" * 64


@pytest.fixture
def lose_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on each piece of work runs twice, as it does where its answer was lost."""

    def lose() -> None:
        once = store.database._patiently
        monkeypatch.setattr(store.database, "_patiently", lambda attempt: (once(attempt), once(attempt))[1])

    return lose


def made(store: Store, name: str = "digits") -> int:
    return store.datasets.ensure("demo", name).id


def draft(store: Store, *parents: VersionRow, name: str = "digits", **fields: Any) -> VersionRow:
    given = {"root": None if parents else EMPTY, "parents": [parent.id for parent in parents], **fields}
    return store.datasets.begin(made(store, name), **given)


def finish(store: Store, row: VersionRow, root: str = "r", number: str | None = None, **fields: Any) -> VersionRow:
    epoch = store.dataset_packs.live().epoch
    revision = store.datasets.version(row.id).revision
    return store.datasets.finalize(row.id, revision=revision, epoch=epoch, root=root, number=number, **fields)


def version(store: Store, *parents: VersionRow, name: str = "digits", **fields: Any) -> VersionRow:
    return finish(store, draft(store, *parents, name=name), **fields)


def story(store: Store, row: VersionRow) -> list[str]:
    return [event.kind.value for event in store.dataset_log.of(row.dataset, version=row.id)]


def test_a_dataset_is_made_once(store: Store) -> None:
    one = store.datasets.ensure("demo/étude 研究", "digits", "hand\0written")
    assert store.datasets.ensure("demo/étude 研究", "digits") == one == store.datasets.get("demo/étude 研究", "digits")
    assert (one.description, one.newest, one.versions, one.drafts) == ("hand\\0written", None, 0, 0)
    assert [event.kind for event in store.dataset_log.of(one.id)] == [DatasetEventKind.DATASET_CREATED]


def test_a_dataset_that_is_not_there_is_told_with_the_nearest_name(store: Store) -> None:
    store.datasets.ensure("demo", "digits")
    with pytest.raises(DatasetNotFound, match="Did you mean 'demo/digits'"):
        store.datasets.get("demo", "digit")


def test_a_name_that_could_be_read_in_two_ways_is_refused(store: Store) -> None:
    for project, name in (("a", "b/c"), ("a/../b", "c")):
        with pytest.raises(InputError):
            store.datasets.ensure(project, name)
    assert store.datasets.list() == []


def test_datasets_are_listed_by_name_and_searched(store: Store) -> None:
    for project, name in [("b", "x"), ("a", "z"), ("a", "y_%")]:
        store.datasets.ensure(project, name, f"about {name.upper()}")
    first = store.datasets.get("a", "z")
    version(store, name="other")

    def names(**which: Any) -> list[str]:
        return [f"{row.project}/{row.name}" for row in store.datasets.list(**which)]

    assert names() == ["a/y_%", "a/z", "b/x", "demo/other"]
    assert names(limit=2) == ["a/y_%", "a/z"]
    assert names(after=(first.project, first.name)) == ["b/x", "demo/other"]
    assert names(project="a") == ["a/y_%", "a/z"]
    assert names(search="Y_%") == ["a/y_%"]
    assert names(search="about z") == ["a/z"]
    other = store.datasets.get("demo", "other")
    assert (other.newest, other.versions, other.drafts) == ("1.0.0", 1, 0)


def test_a_draft_becomes_a_version(store: Store) -> None:
    by = {"user": "me", "pid": 7}
    begun = draft(store, tags=["b", "a", "b"], message="fünf\ud800", made_by=by, metadata={"k": [1, None]})
    assert (begun.status, begun.revision, begun.root, begun.number) == (VersionStatus.DRAFT, 0, EMPTY, None)
    assert (begun.tags, begun.made_by, begun.metadata) == (("a", "b"), by, {"k": [1, None]})
    assert store.datasets.drafts(begun.dataset) == [begun]
    assert store.datasets.find("demo", "digits") is None
    epoch = store.dataset_packs.live().epoch
    assert store.datasets.checkpoint(begun.id, revision=0, epoch=epoch, root="r1") == 1
    assert store.datasets.checkpoint(begun.id, revision=1, epoch=epoch, root="r2", metadata={}, message="m") == 2
    final = store.datasets.finalize(
        begun.id, revision=2, epoch=epoch, root="r3", number="1.0.0", summary={"entries": 3}, preview="p"
    )
    assert (final.status, final.number, final.root, final.preview) == (VersionStatus.FINAL, "1.0.0", "r3", "p")
    assert (final.metadata, final.message, final.summary, final.tags) == ({}, "m", {"entries": 3}, ("a", "b"))
    assert final.finalized_at is not None
    assert store.datasets.version(final.id) == final == store.datasets.find("demo", "digits")
    assert store.datasets.drafts(begun.dataset) == []
    assert story(store, final) == ["draft_begun", "draft_checkpointed", "draft_checkpointed", "version_finalized"]


def test_each_event_of_a_version_says_what_a_trigger_must_match(store: Store) -> None:
    final = version(store)
    store.datasets.tag(final.id, ["gold"])
    store.datasets.publish(final.id)
    last = store.dataset_log.of(final.dataset)[-1]
    assert (last.kind, last.dataset, last.version) == ("version_published", final.dataset, final.id)
    expected = {"project": "demo", "name": "digits", "number": "1.0.0", "status": "published", "tags": ["gold"]}
    assert expected.items() <= last.payload.items()


def test_what_is_asked_again_because_its_answer_was_lost_is_done_once(
    store: Store, lose_answers: Callable[[], None]
) -> None:
    lose_answers()
    first = version(store)
    row = draft(store, first, tags=["x"])
    assert [one.id for one in store.datasets.drafts(row.dataset)] == [row.id]
    store.dataset_packs.intend(row.id, "a" * 64, 10, 1)
    assert store.datasets.checkpoint(row.id, revision=0, epoch=0, root="r1", packs=["a" * 64]) == 1
    assert store.datasets.rebase(row.id, revision=1, epoch=0, root="r2", parents=[first.id]) == 2
    store.datasets.log(row.id, "t", "s", "plot", "o", epoch=0)
    store.datasets.set_preview(row.id, "p", epoch=0)
    second = store.datasets.finalize(row.id, revision=2, epoch=0, root="r3")
    assert second.number == "1.0.1"
    store.datasets.tag(second.id, ["y"])
    store.datasets.untag(second.id, ["x"])
    store.datasets.publish(second.id)
    store.dataset_readers.note(second.id, ReaderKind.TASK, "7")
    store.datasets.delete(second.id, force=True)
    store.datasets.discard(draft(store, first).id)
    roots = store.datasets.roots()
    assert store.dataset_packs.condemn(["a" * 64], epoch=0, cursor=roots.cursor) == {"a" * 64}
    assert store.dataset_packs.live().epoch == 1
    store.dataset_packs.forget(["a" * 64])
    assert story(store, second) == [
        "draft_begun", "draft_checkpointed", "draft_checkpointed", "version_finalized", "version_tagged",
        "version_untagged", "version_published", "version_deleted",
    ]  # fmt: skip
    kinds = [event.kind for event in store.dataset_log.list_after()]
    assert kinds.count(DatasetEventKind.DATASET_CREATED) == kinds.count(DatasetEventKind.PACKS_CONDEMNED) == 1
    assert kinds.count(DatasetEventKind.DRAFT_BEGUN) == 3
    assert kinds.count(DatasetEventKind.DRAFT_DISCARDED) == 1


def test_finishing_again_later_gives_the_same_version(store: Store) -> None:
    row = draft(store)
    final = store.datasets.finalize(row.id, revision=0, epoch=0, root="r", number="2.0.0")
    version(store, final)  # a newer head, so that finishing anew would be a conflict
    store.dataset_packs.intend(None, "a" * 64, 1, 1)
    store.dataset_packs.condemn(["a" * 64], epoch=0, cursor=store.datasets.roots().cursor)
    assert store.datasets.finalize(row.id, revision=0, epoch=0, root="r", number="2.0.0") == final
    with pytest.raises((VersionRefused, EpochMoved)):
        store.datasets.finalize(row.id, revision=0, epoch=0, root="other", number="2.0.0")


def test_a_draft_that_another_process_wrote_is_left_alone(store: Store) -> None:
    row = draft(store)
    store.datasets.checkpoint(row.id, revision=0, epoch=0, root="theirs")
    with pytest.raises(DraftMoved, match="checkpoint 1, here it was at 0"):
        store.datasets.checkpoint(row.id, revision=0, epoch=0, root="ours")
    with pytest.raises(DraftMoved):
        store.datasets.finalize(row.id, revision=0, epoch=0, root="ours")
    assert store.datasets.version(row.id).root == "theirs"
    store.datasets.discard(row.id)
    with pytest.raises(VersionRefused, match="deleted and cannot be written"):
        store.datasets.checkpoint(row.id, revision=1, epoch=0, root="ours")
    with pytest.raises(VersionNotFound):
        store.datasets.checkpoint(999, revision=1, epoch=0, root="ours")


def test_two_writers_from_one_parent_meet_in_a_conflict_and_merge(store: Store) -> None:
    parent = version(store)
    mine, theirs = draft(store, parent), draft(store, parent)
    newest = finish(store, theirs, "theirs")
    with pytest.raises(VersionConflict, match=r"not made from 1\.0\.1") as caught:
        finish(store, mine, "mine")
    assert caught.value.theirs == newest
    assert store.datasets.version(mine.id).status is VersionStatus.DRAFT
    store.datasets.rebase(mine.id, revision=0, epoch=0, root="both", parents=[newest.id, parent.id])
    merged = finish(store, mine, "both")
    assert (merged.number, merged.parents) == ("1.0.2", (newest.id, parent.id))


def test_a_branch_need_not_follow_the_newest_version(store: Store) -> None:
    parent = version(store)
    version(store, parent)
    branch = finish(store, draft(store, parent), number="1.0.0-fix.1", branch=True)
    assert branch.parents == (parent.id,)
    assert store.datasets.get_version("demo", "digits").number == "1.0.1"


def test_a_first_version_without_parents_conflicts_once_there_is_another(store: Store) -> None:
    late = draft(store)
    version(store)
    with pytest.raises(VersionConflict):
        finish(store, late)


def test_only_what_is_final_is_a_parent(store: Store) -> None:
    base = version(store)
    unfinished = draft(store, base)
    with pytest.raises(VersionRefused, match="may still change") as caught:
        draft(store, unfinished)
    assert caught.value.status == "draft"
    store.datasets.delete(base.id)
    with pytest.raises(VersionRefused, match="deleted and cannot be a parent"):
        draft(store, base)
    gone = version(store)
    store.datasets.delete(gone.id)
    with pytest.raises(VersionRefused):
        store.datasets.rebase(unfinished.id, revision=0, epoch=0, root="x", parents=[gone.id, base.id])
    # It comes from `base`, whatever became of that since.
    assert store.datasets.rebase(unfinished.id, revision=0, epoch=0, root="x", parents=[base.id]) == 1
    with pytest.raises(VersionNotFound):
        store.datasets.begin(base.dataset, parents=[999])
    assert len(store.datasets.drafts(base.dataset)) == 1


def test_a_number_is_given_once_for_ever(store: Store) -> None:
    first = version(store, number="1.2.3")
    store.datasets.delete(first.id)
    assert store.datasets.propose(first.dataset) == "1.2.4"
    with pytest.raises(VersionRefused, match=r"Number 1\.2\.3 is taken"):
        draft(store, number="1.2.3")
    row = draft(store)
    with pytest.raises(VersionRefused, match="taken"):
        finish(store, row, number="1.2.3")
    assert finish(store, row).number == "1.2.4"


def test_a_draft_may_wish_for_a_number_that_another_wishes_for_too(store: Store) -> None:
    one, other = draft(store, number="2.0.0"), draft(store, number="2.0.0")
    assert finish(store, one).number == "2.0.0"
    with pytest.raises(VersionRefused, match="taken"):
        finish(store, other, branch=True)
    assert finish(store, other, number="2.1.0", branch=True).number == "2.1.0"


def test_the_wish_of_a_draft_that_was_discarded_is_free(store: Store) -> None:
    for _ in range(2):
        store.datasets.discard(draft(store, number="2.0.0").id)
    assert version(store, number="2.0.0").number == "2.0.0"


def test_a_number_that_is_no_version_number_is_refused(store: Store) -> None:
    row = draft(store)
    with pytest.raises(InputError, match="no version number"):
        finish(store, row, number="1.2")
    with pytest.raises(InputError, match="no version number"):
        draft(store, number="v1.2.3")


def test_the_highest_number_is_found_whatever_came_last(store: Store) -> None:
    dataset = made(store)
    assert store.datasets.propose(dataset) == "1.0.0"
    for number in ("1.9.0", "1.10.0-rc.10", "1.10.0", "1.10.0-rc.9", "0.5.0", "1.2.0"):
        version(store, number=number, branch=True)
    assert store.datasets.find("demo", "digits").number == "1.10.0"  # type: ignore[union-attr]
    assert store.datasets.get("demo", "digits").newest == "1.10.0"
    assert store.datasets.propose(dataset) == "1.10.1"
    version(store, number="2.0.0-rc.1", branch=True)
    assert store.datasets.propose(dataset) == "2.0.0"


def test_versions_are_found_by_number_tags_and_whether_they_are_published(store: Store) -> None:
    one = version(store)
    two = version(store, one)
    three = version(store, two)
    store.datasets.tag(one.id, ["gold", "x"])
    store.datasets.tag(two.id, ["gold"])
    store.datasets.publish(one.id)

    def found(**which: Any) -> str | None:
        return store.datasets.get_version("demo", "digits", **which).number

    assert found() == three.number
    assert found(number="1.0.1") == "1.0.1"
    assert (found(tags=["gold"]), found(tags=["gold", "x"])) == ("1.0.1", "1.0.0")
    assert found(only_published=True) == "1.0.0"
    with pytest.raises(VersionNotFound, match=r"with tag 'silver'.*1\.0\.2, 1\.0\.1, 1\.0\.0"):
        found(tags=["silver"])
    with pytest.raises(VersionNotFound, match=r"demo/digits@1\.0\.7"):
        found(number="1.0.7")
    with pytest.raises(DatasetNotFound):
        store.datasets.get_version("demo", "letters")
    assert store.datasets.find("demo", "letters") is None
    assert store.datasets.find("demo", "digits", tags=["silver"]) is None


def test_versions_are_listed_newest_first_in_pages(store: Store) -> None:
    one = version(store)
    two = version(store, one)
    store.datasets.discard(draft(store, two).id)
    open_ = draft(store, two)
    store.datasets.delete(one.id)

    def listed(**which: Any) -> list[int]:
        return [row.id for row in store.datasets.versions(one.dataset, **which)]

    assert listed() == [open_.id, two.id]
    assert listed(drafts=False) == [two.id]
    assert listed(deleted=True) == [open_.id, two.id, one.id]
    assert listed(deleted=True, limit=1, before=open_.id) == [two.id]


def test_a_published_version_is_read_only_but_for_tags_and_its_preview(store: Store) -> None:
    final = version(store)
    assert store.datasets.set_metadata(final.id, {"a": 1}).metadata == {"a": 1}
    store.datasets.log(final.id, "t", "s", "table", "o", epoch=0)
    published = store.datasets.publish(final.id)
    assert store.datasets.publish(final.id) == published
    with pytest.raises(VersionRefused, match=r"demo/digits@1\.0\.0 is published"):
        store.datasets.set_metadata(final.id, {})
    with pytest.raises(VersionRefused, match="logged to"):
        store.datasets.log(final.id, "t", "s", "table", "o", epoch=0)
    assert store.datasets.tag(final.id, ["b", "a"]).tags == ("a", "b")
    store.datasets.set_preview(final.id, "p", epoch=0)
    assert store.datasets.version(final.id).preview == "p"
    with pytest.raises(VersionRefused, match="rely"):
        store.datasets.delete(final.id)
    store.datasets.delete(final.id, force=True)
    for refused in (
        lambda: store.datasets.tag(final.id, ["x"]),
        lambda: store.datasets.untag(final.id, ["a"]),
        lambda: store.datasets.publish(final.id),
        lambda: store.datasets.set_preview(final.id, "q", epoch=0),
    ):
        with pytest.raises(VersionRefused, match="deleted"):
            refused()


def test_drafts_are_discarded_and_versions_deleted_never_the_other_way_round(store: Store) -> None:
    row, final = draft(store), version(store)
    with pytest.raises(VersionRefused, match="Discard it"):
        store.datasets.delete(row.id)
    with pytest.raises(VersionRefused, match="Delete it"):
        store.datasets.discard(final.id)
    with pytest.raises(VersionRefused, match="Finish it"):
        store.datasets.publish(row.id)
    store.datasets.delete(final.id)
    with pytest.raises(VersionRefused):
        store.datasets.discard(final.id)
    for unknown in (store.datasets.discard, store.datasets.delete, store.datasets.publish, store.datasets.version):
        with pytest.raises(VersionNotFound):
            unknown(999)


def test_tags_that_are_there_are_not_told_again(store: Store) -> None:
    final = version(store)
    store.datasets.tag(final.id, ["a", "ä"])
    store.datasets.tag(final.id, ["a"])
    store.datasets.untag(final.id, ["never"])
    assert store.datasets.untag(final.id, ["a"]).tags == ("ä",)
    told = [event for event in store.dataset_log.of(final.dataset, version=final.id) if "tagged" in event.kind]
    assert [(event.kind.value, event.payload["tags"]) for event in told] == [
        ("version_tagged", ["a", "ä"]), ("version_untagged", ["ä"]),
    ]  # fmt: skip
    with pytest.raises(InputError):
        store.datasets.tag(final.id, ["a\nb"])


def test_what_was_logged_is_kept_by_title_series_and_kind(store: Store) -> None:
    row = draft(store)
    for title, object_ in (("b", "o1"), ("a", "o2"), ("b", "o3")):
        store.datasets.log(row.id, title, "s", "plot", object_, epoch=0)
    assert [(one.title, one.object) for one in store.datasets.logs(row.id)] == [("a", "o2"), ("b", "o3")]
    [root] = store.datasets.roots().rows
    assert set(root.logs) == {"o2", "o3"}


def test_lineage_goes_up_and_down_over_diamonds_and_is_bounded(store: Store) -> None:
    root = version(store)
    left = version(store, root)
    right = version(store, root, branch=True)
    merged = version(store, left, right, branch=True)
    child = draft(store, merged)
    store.datasets.discard(draft(store, merged).id)
    elsewhere = draft(store, left, name="letters")
    store.datasets.delete(root.id)
    found = store.datasets.lineage(merged.id)
    assert [row.id for row in found.versions] == [root.id, left.id, right.id, merged.id, child.id]
    expected = {(left.id, root.id), (right.id, root.id), (merged.id, left.id), (merged.id, right.id)}
    assert set(found.edges) == expected | {(child.id, merged.id)}
    assert not found.cut
    assert {row.id for row in store.datasets.lineage(left.id).versions} == {
        root.id, left.id, merged.id, child.id, elsewhere.id,
    }  # fmt: skip
    short = store.datasets.lineage(child.id, limit=1)
    assert [row.id for row in short.versions] == [merged.id, child.id]
    assert short.cut
    with pytest.raises(VersionNotFound):
        store.datasets.lineage(999)


def test_readers_are_remembered_both_ways(store: Store) -> None:
    one = version(store)
    two = version(store, one)
    for row, kind, reader in [
        (one, ReaderKind.TASK, "7"), (two, ReaderKind.TASK, "7"), (two, ReaderKind.TRIAL, "s/1"),
        (two, ReaderKind.TASK, "7"),
    ]:  # fmt: skip
        store.dataset_readers.note(row.id, kind, reader)
    assert [(row.kind, row.reader) for row in store.dataset_readers.of_version(two.id)] == [
        (ReaderKind.TASK, "7"), (ReaderKind.TRIAL, "s/1"),
    ]  # fmt: skip
    assert store.dataset_readers.of(ReaderKind.TASK, "7") == [one, two]
    assert store.dataset_readers.of(ReaderKind.STUDY, "7") == []
    with pytest.raises(VersionNotFound):
        store.dataset_readers.note(999, ReaderKind.TASK, "7")


def test_a_root_that_no_parent_has_needs_the_epoch(store: Store) -> None:
    parent = version(store)
    with pytest.raises(ValueError, match="epoch"):
        draft(store, parent, root="squashed")
    assert draft(store, parent, root="squashed", epoch=0).root == "squashed"
    with pytest.raises(EpochMoved):
        draft(store, parent, root="squashed", epoch=1)
    with pytest.raises(ValueError, match="root"):
        draft(store, root=None)


def test_a_write_at_another_epoch_or_with_unknown_packs_changes_nothing(store: Store) -> None:
    row = draft(store)
    store.dataset_packs.intend(row.id, "a" * 64, 1, 1)
    with pytest.raises(EpochMoved):
        store.datasets.checkpoint(row.id, revision=0, epoch=1, root="x", packs=["a" * 64])
    with pytest.raises(PacksGone) as caught:
        store.datasets.checkpoint(row.id, revision=0, epoch=0, root="x", packs=["a" * 64, "b" * 64])
    assert caught.value.names == ("b" * 64,)
    assert store.datasets.version(row.id) == row
    assert store.dataset_packs.names(PackState.LIVE) == set()
    for write in (store.datasets.set_preview, lambda *a, **k: store.datasets.log(a[0], "t", "s", "plot", a[1], **k)):
        with pytest.raises(EpochMoved):
            write(row.id, "p", epoch=7)
