"""Clients that are saved, loaded and gone on with; what they tell of their trials."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from meristem.client import Client, StorageConfig
from meristem.controllers.protocol import Recommendation
from meristem.errors import InputError, StudyError, StudyExists, StudyNotFound
from meristem.reports.analyses.trace import trace
from meristem.store.commits import Commits
from meristem.store.database import Database

from .problems import client_of, random_client, run_by_hand


def full_client() -> Client:
    """One with trials in every status, data at steps, names and a NaN."""
    client = client_of("-loss", "cost <= 2 * baseline", description="small", owner="me")
    client.configure_tracking_metrics(["seconds"])
    client.set_early_stopping_strategy("median")
    baseline = client.attach_baseline({"x1": 0.0, "x2": 1.0})
    done, failed, stopped, late, _running = client.get_next_trials(5)
    client.complete_trial(late, {"loss": 2.0, "cost": 1.0, "seconds": math.inf})
    client.complete_trial(baseline, {"loss": (1.0, 0.1), "cost": 1.0})
    client.attach_data(stopped, {"loss": 7.0}, progression=1)
    client.attach_data(stopped, {"loss": (6.0, 0.5)}, progression=2)
    client.mark_trial_early_stopped(stopped)
    client.complete_trial(done, {"loss": 0.5, "cost": 1.5})
    client.mark_trial_failed(failed, "no oven")
    client.mark_trial_abandoned(client.attach_trial({"x1": 0.1, "x2": 0.1}, arm_name="guess"))
    return client


def test_a_saved_client_comes_back_whole(tmp_path: Path) -> None:
    client = full_client()
    client.save_to_json_file(tmp_path / "client.json")
    loaded = Client.load_from_json_file(tmp_path / "client.json")
    assert loaded.summarize().equals(client.summarize())
    assert [loaded.study.measurements(n) for n in range(1, 8)] == [client.study.measurements(n) for n in range(1, 8)]
    assert str(loaded.get_best_parameterization(False)) == str(client.get_best_parameterization(False))  # with NaN
    assert loaded.study.store.check() == []
    assert loaded.get_next_trials(3) == client.get_next_trials(3)  # the same history, seed and controller
    loaded.save_to_json_file(tmp_path / "again.json")
    before, after = (json.loads((tmp_path / name).read_text()) for name in ("client.json", "again.json"))
    assert (before["client"], before["definition"]) == (after["client"], after["definition"])
    assert before["client"]["about"] == {"description": "small", "owner": "me"}


def test_a_client_is_loaded_into_a_store_that_has_no_such_study(tmp_path: Path) -> None:
    client, config = random_client(), StorageConfig(url=f"sqlite:///{tmp_path}/s.db")
    run_by_hand(client, 2)
    client.save_to_json_file(tmp_path / "client.json")
    assert len(Client.load_from_json_file(tmp_path / "client.json", config).study.trials) == 2
    with pytest.raises(StudyExists, match="load_from_database"):
        Client.load_from_json_file(tmp_path / "client.json", config)
    assert len(Client.load_from_database("small", config).study.trials) == 2


def test_a_load_that_a_crash_cut_short_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, config = random_client(), StorageConfig(url=f"sqlite:///{tmp_path}/s.db")
    run_by_hand(client, 2)
    client.get_next_trials(1)
    client.save_to_json_file(tmp_path / "client.json")
    with monkeypatch.context() as broken:
        broken.setattr(Commits, "apply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Client.load_from_json_file(tmp_path / "client.json", config)
    loaded = Client.load_from_json_file(tmp_path / "client.json", config).study
    assert loaded.counts() == {"completed": 2, "running": 1}
    log = [(event.kind.value, event.trial) for event in loaded.events()][1:]
    assert log == [*(("trial_started", n) for n in (1, 2, 3)), ("trial_ended", 1), ("trial_ended", 2)]
    with pytest.raises(StudyExists):
        Client.load_from_json_file(tmp_path / "client.json", config)


def test_an_empty_study_of_another_definition_is_not_filled(tmp_path: Path) -> None:
    config = StorageConfig(url=f"sqlite:///{tmp_path}/s.db")
    assert client_of("-other", url=config.url).study.trials == []
    client = random_client()
    run_by_hand(client, 1)
    client.save_to_json_file(tmp_path / "client.json")
    with pytest.raises(StudyExists):
        Client.load_from_json_file(tmp_path / "client.json", config)


def test_saving_asks_the_store_as_often_for_many_trials_as_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [0]
    read = Database.read

    def counted(database: Database, work: Any) -> Any:
        asked[-1] += 1
        return read(database, work)

    monkeypatch.setattr(Database, "read", counted)
    for count in (2, 6):
        client = random_client()
        run_by_hand(client, count)
        asked[-1] = 0
        client.save_to_json_file(tmp_path / "client.json")
        asked.append(0)
    assert asked[0] == asked[1] > 0


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("text", "words"), [(None, "cannot be read"), ("{", "no JSON"), ("{}", "not written by")])
def test_a_file_that_is_no_client_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "client.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=words):
        Client.load_from_json_file(file)


def _break(document: dict[str, Any], how: str) -> None:
    trial = document["trials"][2]
    changes: dict[str, Any] = {
        "no trials": lambda: document.pop("trials"),
        "null trials": lambda: document.update(trials=None),
        "a field too many": lambda: trial.update(colour="red"),
        "a field missing": lambda: trial.pop("parameters"),
        "a gap": lambda: document["trials"].pop(2),
        "a trial twice": lambda: document["trials"].append(trial),
        "a status": lambda: trial.update(status="banana"),
        "a metric": lambda: trial.update(metrics={"loss": "low"}),
        "out of the space": lambda: trial.update(parameters={"x1": 7.0, "x2": 0.5}),
        "an empty definition": lambda: document.update(definition={}),
        "no version": lambda: document.pop("version"),
        "no client": lambda: document.pop("client"),
    }
    changes[how]()


@pytest.mark.parametrize(
    "how",
    ["no trials", "null trials", "a field too many", "a field missing", "a gap", "a trial twice", "a status",
     "a metric", "out of the space", "an empty definition", "no version", "no client"],
)  # fmt: skip
def test_nothing_is_loaded_from_a_damaged_file(tmp_path: Path, how: str) -> None:
    good, bad, store = tmp_path / "good.json", tmp_path / "bad.json", StorageConfig(url=f"sqlite:///{tmp_path}/s.db")
    full_client().save_to_json_file(good)
    document = json.loads(good.read_text())
    _break(document, how)
    bad.write_text(json.dumps(document))
    with pytest.raises(InputError):
        Client.load_from_json_file(bad, storage_config=store)
    assert len(Client.load_from_json_file(good, storage_config=store).study.trials) == 7


def test_many_may_save_to_one_file_at_once(tmp_path: Path) -> None:
    client = full_client()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client.save_to_json_file, [tmp_path / "client.json"] * 40))
    assert [path.name for path in tmp_path.iterdir()] == ["client.json"]
    assert len(Client.load_from_json_file(tmp_path / "client.json").study.trials) == 7


def test_what_was_being_deployed_when_it_was_saved_is_found_under_its_old_key(tmp_path: Path) -> None:
    client = random_client()
    client.get_next_trials(1)
    client.save_to_json_file(tmp_path / "client.json")
    loaded = Client.load_from_json_file(tmp_path / "client.json")
    keys = [c.study.store.studies.get(c.study.name).folder_key for c in (client, loaded)]
    assert keys[0] == keys[1]


def test_threads_that_use_a_client_first_share_its_study() -> None:
    client = random_client()
    with ThreadPoolExecutor(6) as pool:
        found = [index for given in pool.map(client.get_next_trials, [2] * 6) for index in given]
    assert sorted(found) == list(range(12))


def test_a_metric_of_a_limit_is_not_forgotten_when_a_trial_is_completed() -> None:
    client = random_client("-loss", "cost <= 2")
    (index,) = client.get_next_trials(1)
    with pytest.raises(InputError, match="'cost' is missing"):
        client.complete_trial(index, {"loss": 1.0})
    client.attach_data(index, {"cost": 1.0})
    client.complete_trial(index, {"loss": 1.0})
    assert client.study.trials[0].metrics == {"loss": 1.0, "cost": 1.0}


def test_the_same_script_goes_on_where_its_study_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    first = random_client(url=url)
    run_by_hand(first, 2)
    again = random_client(url=url)
    run_by_hand(again, 1)
    loaded = Client.load_from_database("small", StorageConfig(url=url))
    assert [trial.number for trial in loaded.study.trials] == [1, 2, 3]
    assert loaded.get_next_trials(1) == {3: dict(loaded.study.trials[3].parameters)}


def test_two_clients_on_one_study_get_different_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, other = random_client(url=url), random_client(url=url)
    given = [one.get_next_trials(2), other.get_next_trials(2), one.get_next_trials(1)]
    assert sorted(index for trials in given for index in trials) == [0, 1, 2, 3, 4]
    other.complete_trial(0, {"loss": 1.0})
    assert one.get_best_parameterization()[2] == 0


def test_what_is_not_in_the_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which database"):
        Client.load_from_database("small")
    with pytest.raises(StudyNotFound):
        Client.load_from_database("small", StorageConfig(url=f"sqlite:///{tmp_path}/s.db"))


def test_a_summary_has_a_row_a_trial_and_no_empty_columns() -> None:
    table = full_client().summarize()
    assert list(table.columns) == [
        "trial_index", "arm_name", "trial_status", "failure_reason", "generation_node", "loss", "cost", "seconds",
        "x1", "x2",
    ]  # fmt: skip
    assert list(table["trial_status"]) == [
        "COMPLETED", "COMPLETED", "FAILED", "EARLY_STOPPED", "COMPLETED", "RUNNING", "ABANDONED",
    ]  # fmt: skip
    assert list(table["arm_name"]) == ["baseline", "1_0", "2_0", "3_0", "4_0", "5_0", "guess"]
    assert list(table["loss"].dropna()) == [1.0, 0.5, 6.0, 2.0]
    assert "failure_reason" not in random_client().summarize()


def test_a_summary_can_be_of_some_trials() -> None:
    client = full_client()
    assert list(client.summarize(trial_statuses=["completed", "running"])["trial_index"]) == [0, 1, 4, 5]
    assert list(client.summarize(trial_indices=[3, 1])["trial_index"]) == [1, 3]
    with pytest.raises(InputError, match="Did you mean 'completed'"):
        client.summarize(trial_statuses=["complete"])
    with pytest.raises(InputError, match="no trial 99"):
        client.summarize(trial_indices=[99])


def test_a_summary_shows_what_a_running_trial_has_reported() -> None:
    client = random_client()
    client.get_next_trials(1)
    client.attach_data(0, {"loss": 3.0}, progression=1)
    client.attach_data(0, {"loss": 2.0}, progression=2)
    assert list(client.summarize()["loss"]) == [2.0]


def test_several_objectives_have_a_front_and_one_has_a_best() -> None:
    client = random_client("-a, b", "a <= 9")
    for index, parameters in client.get_next_trials(8).items():
        client.complete_trial(index, {"a": parameters["x1"], "b": parameters["x1"] - parameters["x2"] ** 2})
    measured = client.get_pareto_frontier(use_model_predictions=False)
    assert [index for _, _, index, _ in measured] == [trial.number - 1 for trial in client.study.pareto]
    expected = client.get_pareto_frontier()
    assert {index for _, _, index, _ in expected} <= set(range(8))
    for parameters, prediction, _, _ in expected:
        assert prediction["a"][0] == pytest.approx(parameters["x1"], abs=0.1)
    with pytest.raises(InputError, match="get_pareto_frontier"):
        client.get_best_parameterization()
    with pytest.raises(InputError, match="several objectives"):
        client.should_stop_trial_early(0)
    with pytest.raises(InputError, match="get_best_parameterization"):
        random_client().get_pareto_frontier()


def test_an_expected_front_keeps_limits_relative_to_the_baseline() -> None:
    client = random_client("-a, b", "cost <= 0.5 * baseline")
    client.complete_trial(client.attach_baseline({"x1": 0.0, "x2": 0.0}), {"a": 0.0, "b": 9.0, "cost": 1.0})
    for index, parameters in client.get_next_trials(6).items():
        client.complete_trial(index, {"a": parameters["x1"], "b": parameters["x2"], "cost": 0.4})
    assert 0 not in [index for _, _, index, _ in client.get_pareto_frontier()]


def test_predictions_are_of_all_trials_that_there_are() -> None:
    client = random_client()
    for index in client.get_next_trials(5):
        client.complete_trial(index, {"loss": 1.0})
    before = client.predict([{"x1": 0.5, "x2": 0.5}])
    run_by_hand(client, 5)
    assert client.predict([{"x1": 0.5, "x2": 0.5}]) != before


def test_predictions_tell_of_tracked_metrics_unless_they_are_not_wanted() -> None:
    client = random_client()
    for index, parameters in client.get_next_trials(6).items():
        client.complete_trial(index, {"loss": parameters["x1"], "seconds": 10 * parameters["x2"]})
    (found,) = client.predict([{"x1": 0.5, "x2": 0.5}])
    assert found["seconds"][0] == pytest.approx(5, abs=1)
    client._with_tracking = False
    assert list(client.predict([{"x1": 0.5, "x2": 0.5}])[0]) == ["loss"]


def test_analyses_are_those_of_the_report() -> None:
    client = random_client()
    for index, parameters in client.get_next_trials(6).items():
        client.complete_trial(index, {"loss": parameters["x1"]})
    cards = client.compute_analyses()
    assert [card.name for card in cards] == [card.name for card in client.study.report().cards]
    assert cards[0].name == "trace"
    assert client.compute_analyses([trace], display=False) == [cards[0]]
    assert client.compute_analyses([lambda study: study.name], display=False) == ["small"]


def test_a_controller_that_is_an_object_is_given_again_after_loading(tmp_path: Path) -> None:
    client = client_of()
    client.set_generation_strategy(Corner())
    client.get_next_trials(1)
    client.save_to_json_file(tmp_path / "client.json")
    loaded = Client.load_from_json_file(tmp_path / "client.json")
    with pytest.raises(StudyError, match="as an object"):
        loaded.get_next_trials(1)
    loaded.set_generation_strategy(Corner())
    assert loaded.get_next_trials(1) == {1: {"x1": 1.0, "x2": 0.5}}


def test_metrics_may_be_called_as_parameters_are() -> None:
    client = random_client("x1")
    for index, parameters in client.get_next_trials(1).items():
        client.complete_trial(index, {"x1": 7.0})
        row = client.summarize().iloc[0]
        assert (row["x1"], row["parameter x1"], row["x2"]) == (7.0, parameters["x1"], parameters["x2"])


class Corner:
    """A controller of a user's own."""

    def recommend(self, snapshot: Any, count: int) -> list[Any]:
        return [Recommendation(parameters={"x1": 1.0, "x2": 1.0 / (1 + snapshot.created)})]
