"""More versions and datasets than the store gives at once."""

from __future__ import annotations

from integration.datasets.conftest import Machine
from meristem.datasets.dataset import Dataset
from meristem.manifests.tree import EMPTY


def test_all_versions_and_datasets_are_listed(machine: Machine) -> None:
    store = machine()
    dataset = store.datasets.ensure("p", "many")
    for _ in range(105):
        row = store.datasets.begin(dataset.id, root=EMPTY)
        store.datasets.finalize(row.id, revision=0, epoch=0, root=EMPTY, branch=True)
    for i in range(105):
        store.datasets.ensure("q", f"d{i}")
    last = store.datasets.begin(store.datasets.ensure("q", "d99").id, root=EMPTY)
    store.datasets.finalize(last.id, revision=0, epoch=0, root=EMPTY)

    assert len(Dataset.list("p", "many", store=store)) == 105
    assert [version.id for version in Dataset.list("q", store=store)] == [last.id]
    assert len(Dataset.list(store=store)) == 106
