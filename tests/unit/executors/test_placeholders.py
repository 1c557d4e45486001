"""Values reach a command line whole, whatever they contain and whatever quotes stand around them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meristem.executors.placeholders import fill_arguments, fill_shell, placeholders

HOSTILE = [
    "; rm -rf /",
    "$(echo hacked)",
    "`echo hacked`",
    "a' 'b",
    'a" "b',
    "x\ny",
    "*",
    "\\",
    "-n",
    "ä ✗",
    "",
]


def shell_output(command: str, values: dict[str, str]) -> str:
    line, variables = fill_shell(command, values)
    return subprocess.run(["/bin/sh", "-c", line], env=variables, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("printf '<%s>' {v}", "<{}>"),
        ("printf '<%s>' --v={v}x", "<--v={}x>"),
        ("printf '<%s>' \"a {v} b\"", "<a {} b>"),
        ("printf '<%s>' 'a {v} b'", "<a {} b>"),
        ("printf '<%s>' \"$(printf '[%s].' 'it is {v}')\"", "<[it is {}].>"),
        ("# don't mind\nprintf '<%s>' {v}", "<{}>"),
        ("printf '<%s>' \\'{v}", "<'{}>"),
        ("(printf '<%s>' \"it's {v}\")", "<it's {}>"),
    ],
)
def test_a_hostile_value_stays_one_argument_in_any_quotes(command, shown, value):
    assert shell_output(command, {"v": value}) == shown.replace("{}", value)


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
@example("'\"$(x)`y`\\")
def test_any_text_passes_the_shell_unchanged(value):
    assert shell_output("printf %s {v}\"{v}\"'{v}'", {"v": value}) == value * 3


@given(st.text())
def test_no_value_is_ever_part_of_what_the_shell_parses(value):
    marked = f"MARK{value}"
    line, _ = fill_shell("run {v} \"{v} $(a '{v}')\" '{v}'", {"v": marked})
    assert "MARK" not in line


@given(st.text(alphabet="ab {}'\"\\$()#\n;", max_size=40))
def test_a_command_without_known_names_stays_as_it_is(command):
    assert fill_shell(command, {"lr": "1"})[0] == command.replace("{{a}}", "{a}") or "{{" in command


@pytest.mark.parametrize(
    "command",
    [
        "echo ${HOME} ${lr}",
        "awk '{ print $1 }'",
        "awk '{if ($1 > 0) {print $1}}'",
        "echo {a,b} {1..3} {}",
        "{print}",
    ],
)
def test_other_braces_are_left_alone(command):
    assert fill_shell(command, {"lr": "1"}) == (command, {})
    assert fill_arguments([command], {"lr": "1"}) == [command]


def test_doubled_braces_give_the_braces_themselves():
    assert fill_arguments(["{{lr}} {lr} {{other}}"], {"lr": "1"}) == ["{lr} 1 {other}"]
    assert fill_shell("{{lr}}", {"lr": "1"}) == ("{lr}", {})


@pytest.mark.parametrize("value", HOSTILE)
def test_a_list_gets_values_raw_and_never_splits_them(value):
    assert fill_arguments(["--v={v}", "{v}", "x"], {"v": value}) == [f"--v={value}", value, "x"]


def test_a_value_that_looks_like_a_placeholder_is_not_filled_again():
    assert fill_arguments(["{a}"], {"a": "{b}", "b": "wrong"}) == ["{b}"]
    assert shell_output("printf %s {a}", {"a": "{b}", "b": "wrong"}) == "{b}"


def test_names_need_not_be_identifiers():
    values = {"hidden size": "8", "größe": "9", "a.b": "10", "a": "11"}
    assert fill_arguments(["{hidden size} {größe} {a.b} {a}"], values) == ["8 9 10 11"]
    assert shell_output("echo {hidden size} {größe} {a.b} {a}", values) == "8 9 10 11\n"


def test_an_unknown_placeholder_is_told_with_the_nearest_name():
    (problem,) = placeholders("train --lr {lerning_rate} {lerning_rate}", ["learning_rate", "depth"])
    assert "{lerning_rate}" in problem
    assert "Did you mean 'learning_rate'?" in problem
    assert "{{lerning_rate}}" in problem


def test_known_names_and_other_braces_are_no_problem():
    command = ["{lr}", "{trial} {folder}", "${HOME}", "{{print}}", "{ print $1 }", "{a,b}"]
    assert placeholders(command, ["lr"]) == []


def test_every_unknown_placeholder_is_told_once_in_order():
    problems = placeholders(["{b}", "{a} {b}"], [])
    assert [problem.split("{")[1][0] for problem in problems] == ["b", "a"]


@pytest.mark.parametrize(
    ("command", "names", "told"),
    [
        ("cat <<EOF\nlr: {lr}\nEOF", ["lr"], "$MERISTEM_PARAM_LR"),
        ("cat <<-'EOF'\n{l-r}\nEOF", ["l-r"], "$MERISTEM_PARAM_L_R"),
        ("echo $(({n} * 2))", ["n"], "v={n}"),
        ("train {lr}", ["lr", "LR"], "rename one"),
        ("train {ä}", ["ä", "ö"], "rename one"),
        ("train {folder}", ["folder"], "rename it"),
    ],
)
def test_what_would_get_a_wrong_value_without_a_word_is_refused(command, names, told):
    assert any(told in problem for problem in placeholders(command, names))


@pytest.mark.parametrize(
    "command", ["train {lr} <<EOF\nx\nEOF", "x <<< {lr}", "echo $((1 << 2)) {lr}", "n={lr}; echo $((n * 2)) {lr}"]
)
def test_here_documents_without_placeholders_are_no_problem(command):
    assert placeholders(command, ["lr"]) == []


def test_an_apostrophe_in_a_comment_in_parentheses_quotes_nothing():
    line, variables = fill_shell("(# it's a note\n echo {lr})", {"lr": "0.1"})
    assert '"${MERISTEM_VALUE_1}"' in line
    assert variables == {"MERISTEM_VALUE_1": "0.1"}
