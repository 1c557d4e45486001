"""The search notation as a table: each snippet of a config_train.json gives this space, or exactly these mistakes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meristem.bundles import read_search
from meristem.errors import InputError
from meristem.space import Choice, Float, Int, Parameter

GOOD: dict[str, tuple[str, dict[str, Parameter]]] = {
    "a float at the first level": (
        """{"learning_rate": 2e-4,
            "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [1e-4, 1e-3]}]}""",
        {"lr.float.$0:learning_rate": Float(1e-4, 1e-3, default=2e-4)},
    ),
    "args as bare text": (
        """{"learning_rate": 2e-4,
            "search": [{"domain": "lr", "type": "float", "args": "learning_rate", "targets": [1e-4, 1e-3]}]}""",
        {"lr.float.$0:learning_rate": Float(1e-4, 1e-3, default=2e-4)},
    ),
    "a flag at the first level": (
        """{"amp": false, "search": [
            {"domain": "net", "type": "enum", "args": ["amp"], "targets": [[true], [false]]}]}""",
        {"net.enum.$0:amp": Choice([True, False], default=False)},
    ),
    "the older lr_search": (
        """{"learning_rate": 1e-3, "lr_search": [1e-4, 1e-2]}""",
        {"lr.float.$0:learning_rate": Float(1e-4, 1e-2, default=1e-3)},
    ),
    "lr_search counts as the last item": (
        """{"learning_rate": 1e-3, "amp": true, "lr_search": [1e-4, 1e-2],
            "search": [{"domain": "net", "type": "enum", "args": ["amp"], "targets": [[true], [false]]}]}""",
        {
            "net.enum.$0:amp": Choice([True, False], default=True),
            "lr.float.$1:learning_rate": Float(1e-4, 1e-2, default=1e-3),
        },
    ),
    "a component's argument": (
        """{"train": {"lr_policy": {"name": "ReducePoly", "args": {"poly_power": 0.95}, "search": [
            {"domain": "lr", "type": "float", "args": ["poly_power"], "targets": [0.9, 0.99]}]}}}""",
        {"lr.float.train.lr_policy$0:poly_power": Float(0.9, 0.99, default=0.95)},
    ),
    "a component by path": (
        """{"train": {"model": {"path": "nets.MyNet", "args": {"depth": 3}, "search": [
            {"domain": "net", "type": "enum", "args": ["depth"], "targets": [[3], [4]]}]}}}""",
        {"net.enum.train.model$0:depth": Choice([3, 4], default=3)},
    ),
    "name beside path is only a label": (
        """{"train": {"model": {"name": "mine", "path": "nets.MyNet", "args": {"depth": 3}, "search": [
            {"domain": "net", "type": "enum", "args": ["depth"], "targets": [[3], [4]]}]}}}""",
        {"net.enum.train.model$0:depth": Choice([3, 4], default=3)},
    ),
    "choices of text": (
        """{"train": {"model": {"name": "SegResnet", "args": {"final_activation": "sigmoid"}, "search": [
            {"domain": "net", "type": "enum", "args": ["final_activation"],
             "targets": [["softmax"], ["sigmoid"]]}]}}}""",
        {"net.enum.train.model$0:final_activation": Choice(["softmax", "sigmoid"], default="sigmoid")},
    ),
    "two items of one component": (
        """{"train": {"model": {"name": "SegResnet", "args": {"init_filters": 2, "act": "relu"}, "search": [
            {"domain": "net", "type": "enum", "args": ["init_filters"], "targets": [[2], [4]]},
            {"domain": "net", "type": "enum", "args": ["act"], "targets": [["relu"], ["elu"]]}]}}}""",
        {
            "net.enum.train.model$0:init_filters": Choice([2, 4], default=2),
            "net.enum.train.model$1:act": Choice(["relu", "elu"], default="relu"),
        },
    ),
    "several args moved together are 2 cases, not 4": (
        """{"train": {"model": {"name": "Net", "args": {"a": true, "b": "x"}, "search": [
            {"domain": "net", "type": "enum", "args": ["a", "b"], "targets": [[true, "x"], [false, "y"]]}]}}}""",
        {"net.enum.train.model$0:a,b": Choice([[True, "x"], [False, "y"]], default=[True, "x"])},
    ),
    "several args of a float get one number": (
        """{"train": {"t": {"name": "T", "args": {"low": 0.1, "high": 0.1}, "search": [
            {"domain": "transform", "type": "float", "args": ["low", "high"], "targets": [0, 1]}]}}}""",
        {"transform.float.train.t$0:low,high": Float(0, 1, default=0.1)},
    ),
    "a list is a value with brackets of its own": (
        """{"train": {"model": {"name": "UNet", "args": {"channels": [16, 32]}, "search": [
            {"domain": "net", "type": "enum", "args": ["channels"], "targets": [[[16, 32]], [[8, 16]]]}]}}}""",
        {"net.enum.train.model$0:channels": Choice([[16, 32], [8, 16]], default=[16, 32])},
    ),
    "lists and numbers moved together": (
        """{"train": {"model": {"name": "UNet", "args": {"channels": [16, 32], "res": 2}, "search": [
            {"domain": "net", "type": "enum", "args": ["channels", "res"],
             "targets": [[[16, 32], 2], [[8, 16], 1]]}]}}}""",
        {"net.enum.train.model$0:channels,res": Choice([[[16, 32], 2], [[8, 16], 1]], default=[[16, 32], 2])},
    ),
    "null is a choice": (
        """{"train": {"model": {"name": "UNet", "args": {"norm": "batch"}, "search": [
            {"domain": "net", "type": "enum", "args": ["norm"], "targets": [["batch"], [null]]}]}}}""",
        {"net.enum.train.model$0:norm": Choice(["batch", None], default="batch")},
    ),
    "numbers that rise are ordered": (
        """{"train": {"model": {"name": "UNet", "args": {"filters": 8}, "search": [
            {"domain": "net", "type": "enum", "args": ["filters"], "targets": [[8], [16], [32]]}]}}}""",
        {"net.enum.train.model$0:filters": Choice([8, 16, 32], ordered=True, default=8)},
    ),
    "numbers that fall are ordered": (
        """{"train": {"model": {"name": "UNet", "args": {"filters": 8}, "search": [
            {"domain": "net", "type": "enum", "args": ["filters"], "targets": [[32], [16], [8]]}]}}}""",
        {"net.enum.train.model$0:filters": Choice([32, 16, 8], ordered=True, default=8)},
    ),
    "numbers in disorder are not": (
        """{"train": {"model": {"name": "UNet", "args": {"filters": 8}, "search": [
            {"domain": "net", "type": "enum", "args": ["filters"], "targets": [[8], [32], [16]]}]}}}""",
        {"net.enum.train.model$0:filters": Choice([8, 32, 16], default=8)},
    ),
    "a transform that may be switched off": (
        """{"train": {"pre_transforms": [{"name": "Load"}, {"name": "Noise", "args": {"p": 0.1}, "search": [
            {"domain": "transform", "type": "enum", "args": ["@disabled"], "targets": [[true], [false]]}]}]}}""",
        {"transform.enum.train.pre_transforms.1$0:@disabled": Choice([True, False], default=False)},
    ),
    "a switch and an argument moved together": (
        """{"train": {"t": {"name": "Noise", "args": {"p": 0.1}, "disabled": true, "search": [{"domain": "transform",
            "type": "enum", "args": ["@disabled", "p"], "targets": [[true, 0.1], [false, 0.5]]}]}}}""",
        {"transform.enum.train.t$0:@disabled,p": Choice([[True, 0.1], [False, 0.5]], default=[True, 0.1])},
    ),
    "an alias that another component applies": (
        """{"train": {"pre": [
            {"name": "T1", "args": {"probability": 0.1}, "search": [
             {"domain": "transform", "type": "float", "args": ["probability#p"], "targets": [0.0, 0.2]}]},
            {"name": "T2", "args": {"probability": 0.1}, "apply": {"probability": "p"}}]}}""",
        {"transform.float.train.pre.0$0:probability": Float(0, 0.2, default=0.1)},
    ),
    "an alias applied before it is given, to components that differ": (
        """{"train": {"pre": [
            {"name": "T2", "args": {"prob": 0.2}, "apply": {"prob": "p"}},
            {"name": "T1", "args": {"probability": 0.1}, "search": [
             {"domain": "transform", "type": "float", "args": ["probability#p"], "targets": [0.0, 0.2]}]}]}}""",
        {"transform.float.train.pre.1$0:probability": Float(0, 0.2)},
    ),
    "an alias of a switch": (
        """{"train": {"pre": [
            {"name": "T1", "search": [
             {"domain": "transform", "type": "enum", "args": ["@disabled#off"], "targets": [[true], [false]]}]},
            {"name": "T2", "apply": {"@disabled": "off"}}]}}""",
        {"transform.enum.train.pre.0$0:@disabled": Choice([True, False], default=False)},
    ),
    "an alias that nobody applies does no harm": (
        """{"train": {"t": {"name": "T1", "args": {"p": 0.1}, "search": [
            {"domain": "transform", "type": "float", "args": ["p#unused"], "targets": [0.0, 0.2]}]}}}""",
        {"transform.float.train.t$0:p": Float(0, 0.2, default=0.1)},
    ),
    "aliases of the first level switch between listed losses": (
        """{"search": [{"domain": "transform", "type": "enum", "args": ["useA", "useB"],
                        "targets": [[true, false], [false, true]]}],
            "train": {"loss": [{"name": "A", "disabled": true, "apply": {"@disabled": "useA"}},
                               {"name": "B", "apply": {"@disabled": "useB"}}]}}""",
        {"transform.enum.$0:useA,useB": Choice([[True, False], [False, True]], default=[True, False])},
    ),
    "listed losses that are all switched on are no point of the space": (
        """{"search": [{"domain": "transform", "type": "enum", "args": ["useA", "useB"],
                        "targets": [[true, false], [false, true]]}],
            "train": {"loss": [{"name": "A", "apply": {"@disabled": "useA"}},
                               {"name": "B", "apply": {"@disabled": "useB"}}]}}""",
        {"transform.enum.$0:useA,useB": Choice([[True, False], [False, True]])},
    ),
    "a leading @ of an alias at the first level is tolerated": (
        """{"search": [{"domain": "transform", "type": "enum", "args": ["@myFlag"], "targets": [[true], [false]]}],
            "train": {"pre": [{"name": "A", "apply": {"@disabled": "myFlag"}},
                              {"name": "B", "apply": {"@disabled": "@myFlag"}}]}}""",
        {"transform.enum.$0:myFlag": Choice([True, False], default=False)},
    ),
    "a parameter of the first level is its own alias": (
        """{"learning_rate": 1e-3,
            "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [1e-4, 1e-2]}],
            "train": {"optimizer": {"name": "Adam", "args": {"lr": 1e-3}, "apply": {"lr": "learning_rate"}}}}""",
        {"lr.float.$0:learning_rate": Float(1e-4, 1e-2, default=1e-3)},
    ),
    "apply at the first level": (
        """{"crop": 64, "apply": {"crop": "size"}, "train": {"t": {"name": "Crop", "args": {"size": 64}, "search": [
            {"domain": "transform", "type": "enum", "args": ["size#size"], "targets": [[64], [96]]}]}}}""",
        {"transform.enum.train.t$0:size": Choice([64, 96], default=64)},
    ),
    "keys with an underscore park what stands under them": (
        """{"lr": 0.1, "__search": [{"nonsense": 1}], "_old": {"name": "X", "search": 3}, "train": {"__model": {
            "name": "Y", "apply": {"a": "nobody"}}},
            "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1], "_was": [0, 2]}]}""",
        {"lr.float.$0:lr": Float(0, 1, default=0.1)},
    ),
    "unknown keys are ignored": (
        """{"lr": 0.1, "searches": 3, "search": [
            {"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1], "comment": "by Anna", "steps": 7}]}""",
        {"lr.float.$0:lr": Float(0, 1, default=0.1)},
    ),
    "labels with an id, and refs, are left alone": (
        """{"train": {"pre": [{"name": "ScaleByResolution#ScaleImg", "args": {"res": 1}, "search": [
            {"domain": "transform", "type": "enum", "args": ["res"], "targets": [[1], [2]]}]}]},
            "validate": {"pre": [{"ref": "ScaleImg"}]}}""",
        {"transform.enum.train.pre.0$0:res": Choice([1, 2], default=1)},
    ),
    "an argument may be called search or apply": (
        """{"lr": 0.1, "train": {"t": {"name": "Matcher", "args": {"search": "fast", "apply": {"x": 1}}}},
            "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1]}]}""",
        {"lr.float.$0:lr": Float(0, 1, default=0.1)},
    ),
    "a component within arguments": (
        """{"train": {"model": {"name": "Wrap", "args": {"inner": {"name": "Net", "args": {"k": 3}, "search": [
            {"domain": "net", "type": "enum", "args": ["k"], "targets": [[3], [5]]}]}}}}}""",
        {"net.enum.train.model.args.inner$0:k": Choice([3, 5], default=3)},
    ),
    "a value that is a variable starts where the variable does": (
        """{"learning_rate": 2e-4, "train": {"optimizer": {"name": "Adam", "args": {"lr": "{learning_rate}"},
            "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [1e-4, 1e-3]}]}}}""",
        {"lr.float.train.optimizer$0:lr": Float(1e-4, 1e-3, default=2e-4)},
    ),
    "targets may be variables": (
        """{"most": 0.5, "lr": 0.1, "search": [
            {"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, "{most}"]}]}""",
        {"lr.float.$0:lr": Float(0, 0.5, default=0.1)},
    ),
    "a shipped value outside the range gives no start": (
        """{"lr": 5, "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1]}]}""",
        {"lr.float.$0:lr": Float(0, 1)},
    ),
    "a range over orders of magnitude (ours)": (
        """{"lr": 1e-3, "search": [
            {"domain": "lr", "type": "float", "args": ["lr"], "targets": [1e-5, 1e-1], "scale": "log"}]}""",
        {"lr.float.$0:lr": Float(1e-5, 1e-1, log=True, default=1e-3)},
    ),
    "whole numbers (ours)": (
        """{"train": {"model": {"name": "Net", "args": {"depth": 3}, "search": [
            {"domain": "net", "type": "int", "args": ["depth"], "targets": [2, 6]}]}}}""",
        {"net.int.train.model$0:depth": Int(2, 6, default=3)},
    ),
    "the same argument in three components": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "int", "args": ["p"], "targets": [1, 2]}]},
            "b": [{"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "int", "args": ["p"], "targets": [1, 2]}]}]}, "validate": {
            "a": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "int", "args": ["p"], "targets": [1, 2]}]}}}""",
        {
            "net.int.train.a$0:p": Int(1, 2, default=1),
            "net.int.train.b.0$0:p": Int(1, 2, default=1),
            "net.int.validate.a$0:p": Int(1, 2, default=1),
        },
    ),
}


def model(search: str) -> str:
    """A configuration with one component, which has the arguments width 8 and norm "batch"."""
    args = '{"width": 8, "norm": "batch"}'
    return f'{{"train": {{"model": {{"name": "Net", "args": {args}, "search": {search}}}}}}}'


def item(targets: str, kind: str = "enum", args: str = '["width"]', more: str = "") -> str:
    """A configuration whose one component has this one item."""
    return model(f'[{{"domain": "net", "type": "{kind}", "args": {args}, "targets": {targets}{more}}}]')


AT = "train.model.search[0]"
KNOWN = "Known: float, enum, int"

BAD: dict[str, tuple[str, list[str]]] = {
    "nothing is searched": ("""{"lr": 1}""", ["nothing is searched: no search item stands in it"]),
    "search is no list": (model("3"), ["train.model.search: must be a list of items, not 3 (int)"]),
    "search is an item without its list": (
        model("""{"type": "enum"}"""),
        ["train.model.search: must be a list of items, not {'type': 'enum'} (dict)"],
    ),
    "search is empty": (model("[]"), ["train.model.search: is empty; give an item, or leave it out"]),
    "an item is no mapping": (model("[7]"), [f"{AT}: must be {{domain, type, args, targets}}, not 7 (int)"]),
    "an item is empty": (
        model("[{}]"),
        [
            f"{AT}: domain is missing: one of lr, net, transform",
            f"{AT}: args is missing: the names of what is searched",
            f"{AT}: type is missing: one of float, enum, int",
            f"{AT}: targets is missing",
        ],
    ),
    "a misspelt key": (
        model("""[{"domain": "net", "type": "enum", "args": ["width"], "target": [[1], [2]]}]"""),
        [f"{AT}: targets is missing ('target' is not read)"],
    ),
    "an unknown domain": (
        model("""[{"domain": "nets", "type": "enum", "args": ["width"], "targets": [[1], [2]]}]"""),
        [f"{AT}.domain: there is no domain 'nets'. Did you mean 'net'? Known: lr, net, transform"],
    ),
    "an unknown type": (
        item("[[1], [2]]", "enums"),
        [f"{AT}.type: there is no type 'enums'. Did you mean 'enum'? {KNOWN}"],
    ),
    "type dynamic": (
        item("[[1], [2]]", "dynamic"),
        [f"{AT}.type: dynamic is not supported; choose one of float, enum, int"],
    ),
    "an argument that the component does not have": (
        item("[[1], [2]]", args='["widht"]'),
        [
            f"{AT}.args: Net has no widht among its arguments. Did you mean 'width'? "
            "If it takes one, write its usual value there"
        ],
    ),
    "an attribute that there is not": (
        item("[[true], [false]]", args='["@enabled"]'),
        [f"{AT}.args: a component has no attribute @enabled; there is only @disabled"],
    ),
    "a switch without its @": (
        item("[[true], [false]]", args='["disabled"]'),
        [
            f"{AT}.args: Net has no disabled among its arguments. Did you mean '@disabled'? "
            "If it takes one, write its usual value there"
        ],
    ),
    "args is no list": (item("[[1]]", args="3"), [f"{AT}.args: must be a list of names, not 3 (int)"]),
    "args is empty": (item("[[1]]", args="[]"), [f"{AT}.args: is empty; name what is searched"]),
    "args has a number": (item("[[1]]", args="[3]"), [f"{AT}.args: must be a list of names, not [3] (list)"]),
    "args names one twice": (
        item("[[1, 1]]", args='["width", "width"]'),
        [f"{AT}.args: names width twice"],
    ),
    "an empty alias": (item("[[1]]", args='["width#"]'), [f"{AT}.args: 'width#' has no alias after its #"]),
    "a float with one end": (item("[1]", "float"), [f"{AT}.targets: must be [min, max] for a float, not [1]"]),
    "a float with three": (item("[1,2,3]", "float"), [f"{AT}.targets: must be [min, max] for a float, not [1, 2, 3]"]),
    "a float with choices": (
        item("[[1], [2]]", "float"),
        [
            f"{AT}.targets[0]: must be a number, not [1] (list)",
            f"{AT}.targets[1]: must be a number, not [2] (list)",
        ],
    ),
    "a float between texts": (
        item("""["0.1", true]""", "float"),
        [
            f"{AT}.targets[0]: must be a number, not the text '0.1'",
            f"{AT}.targets[1]: must be a number, not True (bool)",
        ],
    ),
    "min above max": (item("[2, 1]", "float"), [f"{AT}.targets: min (2) is above max (1); swap them"]),
    "min equal to max": (
        item("[2, 2]", "float"),
        [f"{AT}.targets: min and max are both 2, which leaves nothing to search; write the value into args"],
    ),
    "a float that is not finite": (
        item("[0, 1e999]", "float"),
        [f"{AT}.targets[1]: must be finite, not inf"],
    ),
    "a float that is not a number": (
        item("[NaN, 1]", "float"),
        [f"{AT}.targets[0]: must be finite, not nan"],
    ),
    "an int with a fraction": (
        item("[1, 2.5]", "int"),
        [f"{AT}.targets[1]: must be an integer, not 2.5"],
    ),
    "log from 0": (
        item("[0, 1]", "float", more=', "scale": "log"'),
        [f"{AT}.targets: scale log needs min above 0, not 0"],
    ),
    "an unknown scale": (
        item("[1, 2]", "float", more=', "scale": "ln"'),
        [f"{AT}.scale: must be linear or log, not 'ln'"],
    ),
    "a scale of an enum": (
        item("[[1], [2]]", more=', "scale": "log"'),
        [f"{AT}.scale: is for float and int; an enum has choices"],
    ),
    "an enum without choices": (item("[]"), [f"{AT}.targets: is empty; give at least one choice"]),
    "an enum that is no list": (item("4"), [f"{AT}.targets: must be a list of choices for an enum, not 4"]),
    "choices without brackets": (
        item("[8, 16]"),
        [
            f"{AT}.targets[0]: must be a list with the value of width, not 8 (int): write [8]",
            f"{AT}.targets[1]: must be a list with the value of width, not 16 (int): write [16]",
        ],
    ),
    "a choice that is too short": (
        item("""[[8, "batch"], [16]]""", args='["width", "norm"]'),
        [f"{AT}.targets[1]: has 1 value, but needs 2 (width, norm)"],
    ),
    "a list as a value without brackets of its own": (
        item("[[16, 32]]"),
        [
            f"{AT}.targets[0]: has 2 values, but needs 1 (width) "
            "(a list that is one value needs brackets of its own: [[16, 32]])"
        ],
    ),
    "a choice that stands there twice": (
        item("[[8], [16], [8.0]]"),
        [f"{AT}.targets[2]: is the same choice as targets[0]"],
    ),
    "a switch that is neither on nor off": (
        item("""[["yes"], ["no"]]""", args='["@disabled"]'),
        [f"{AT}.targets: @disabled takes true or false"],
    ),
    "a switch as a float": (
        item("[0, 1]", "float", args='["@disabled"]'),
        [f"{AT}.targets: @disabled takes true or false"],
    ),
    "an argument that is searched twice": (
        model(
            """[{"domain": "net", "type": "enum", "args": ["width"], "targets": [[1], [2]]},
                {"domain": "net", "type": "int", "args": ["width"], "targets": [1, 9]}]"""
        ),
        ["train.model.search[1].args: width is searched by train.model.search[0], too"],
    ),
    "an alias that nobody defines": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "apply": {"p": "prob"}},
            "b": {"name": "B", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#probe"], "targets": [0, 1]}]}}}""",
        ["train.a.apply.p: nobody defines the alias 'prob'. Did you mean 'probe'? Known: probe"],
    ),
    "an alias where there is none at all": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "apply": {"p": "prob"}}}}""",
        ["train.a.apply.p: nobody defines the alias 'prob'. No search item gives one (args: name#alias)"],
    ),
    "an alias that is defined twice": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x"], "targets": [0, 1]}]},
            "b": {"name": "B", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x"], "targets": [0, 1]}]}}}""",
        ["train.b.search[0].args: the alias 'x' is defined by train.a.search[0].args, too"],
    ),
    "an alias applied to an argument with a searched value": (
        """{"train": {"a": {"name": "A", "args": {"p": 1, "q": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x"], "targets": [0, 1]},
            {"domain": "net", "type": "float", "args": ["q"], "targets": [0, 1]}], "apply": {"q": "x"}}}}""",
        ["train.a.apply.q: gets its value from train.a.search[1] already; an argument has one value"],
    ),
    "an alias applied to an argument that is not there": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x"], "targets": [0, 1]}]},
            "b": {"name": "B", "args": {"prob": 1}, "apply": {"porb": "x"}}}}""",
        [
            "train.b.apply.porb: B has no porb among its arguments. Did you mean 'prob'? "
            "If it takes one, write its usual value there"
        ],
    ),
    "an alias of numbers applied to a switch": (
        """{"train": {"a": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x"], "targets": [0, 1]}]},
            "b": {"name": "B", "apply": {"@disabled": "x"}}}}""",
        ["train.b.apply.@disabled: @disabled takes true or false; train.a.search[0] gives other values"],
    ),
    "an alias beside an argument with a mistake is known": (
        """{"train": {"a": {"name": "A", "args": {"p": 1, "q": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p#x", "zzz"], "targets": [0, 1]}], "apply": {"q": "x"}}}}""",
        [
            "train.a.search[0].args: A has no zzz among its arguments. If it takes one, write its usual value there",
        ],
    ),
    "apply that is no mapping": (
        """{"train": {"model": {"name": "Net", "args": {"width": 8}, "apply": ["x"]}}}""",
        ["""train.model.apply: must be {"argument": "alias"}, not ['x'] (list)"""],
    ),
    "a misspelt parameter of the first level": (
        """{"learning_rate": 1, "search": [
            {"domain": "lr", "type": "float", "args": ["learning_rat"], "targets": [0, 1]}]}""",
        [
            "search[0].args: learning_rat is no parameter of the first level, and no apply uses it as an alias. "
            "Did you mean 'learning_rate'?"
        ],
    ),
    "a misspelt parameter of the first level with an alias": (
        """{"learning_rate": 1, "search": [
            {"domain": "lr", "type": "float", "args": ["learning_rat#lr"], "targets": [0, 1]}],
            "train": {"o": {"name": "Adam", "args": {"lr": 1}, "apply": {"lr": "lr"}}}}""",
        ["search[0].args: there is no learning_rat at the first level of the configuration"],
    ),
    "a section is no parameter": (
        """{"train": {"a": 1}, "search": [
            {"domain": "net", "type": "enum", "args": ["train"], "targets": [[1], [2]]}]}""",
        ["search[0].args: train is a section, not a parameter; put search beside a component in it"],
    ),
    "lr_search without a learning rate": (
        """{"lr_search": [1e-4, 1e-2]}""",
        ["lr_search: there is no learning_rate at the first level of the configuration"],
    ),
    "lr_search with one end": (
        """{"learning_rate": 1, "lr_search": 0.1}""",
        ["lr_search: must be [min, max] for a float, not 0.1"],
    ),
    "lr_search beside an item that searches the same": (
        """{"learning_rate": 1, "lr_search": [0.1, 1],
            "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [0, 1]}]}""",
        [
            "lr_search: learning_rate is searched by search[0], too",
        ],
    ),
    "search in a section": (
        """{"train": {"search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1]}], "lr": 1}}""",
        ["train.search: stands beside no component (a mapping with name or path), so that nothing would be searched"],
    ),
    "search beside a ref": (
        """{"validate": {"pre": [{"ref": "Scale", "search": [{"targets": [0, 1]}]}]}}""",
        ["validate.pre[0].search: stands beside a ref; put it beside the component that 'Scale' refers to"],
    ),
    "search among the arguments": (
        """{"train": {"m": {"name": "M", "args": {"p": 1, "search": [{"args": ["p"], "targets": [0, 1]}]}}}}""",
        ["train.m.args.search: stands among the arguments; put it beside them, into train.m"],
    ),
    "two equal PRLs": (
        """{"a.b": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p"], "targets": [0, 1]}]},
            "a": {"b": {"name": "A", "args": {"p": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["p"], "targets": [0, 1]}]}}}""",
        ['a.b.search[0]: has the same PRL as ["a.b"].search[0]: net.float.a.b$0:p'],
    ),
    "an argument within one that is searched, too": (
        """{"train": {"m": {"name": "M", "args": {"net": {"name": "N", "args": {"k": 1}, "search": [
            {"domain": "net", "type": "float", "args": ["k"], "targets": [0, 1]}]}}, "search": [
            {"domain": "net", "type": "enum", "args": ["net"], "targets": [[null], ["x"]]}]}}}""",
        [
            "train.m.args.net.search[0]: train.m.args.net.args.k lies within train.m.args.net, "
            "which is searched by train.m.search[0]"
        ],
    ),
    "several key metrics": (
        """{"lr": 1, "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [0, 1]}], "validate": {
            "metrics": [{"name": "A", "is_key_metric": true}, {"name": "B", "args": {"is_key_metric": true}}]}}""",
        [
            "validate.metrics: several metrics have is_key_metric "
            "(validate.metrics[0], validate.metrics[1]); the score is one of them"
        ],
    ),
    "mistakes in several places": (
        """{"lr": 1, "search": [{"domain": "lr", "type": "float", "args": ["lr"], "targets": [1, 0]}],
            "train": {"pre": [{"name": "A"}, {"name": "B", "args": {"p": 0}, "search": [
            {"domain": "transform", "type": "float", "args": ["q"], "targets": [0]}], "apply": {"p": "z"}}]}}""",
        [
            "search[0].targets: min (1) is above max (0); swap them",
            "train.pre[1].search[0].args: B has no q among its arguments. If it takes one, write its usual value there",
            "train.pre[1].search[0].targets: must be [min, max] for a float, not [0]",
            "train.pre[1].apply.p: nobody defines the alias 'z'. Known: lr",
        ],
    ),
}


@pytest.mark.parametrize(("snippet", "space"), GOOD.values(), ids=GOOD)
def test_a_snippet_gives_this_space(snippet: str, space: dict[str, Any]) -> None:
    assert dict(read_search(json.loads(snippet)).space.parameters) == space


@pytest.mark.parametrize(("snippet", "problems"), BAD.values(), ids=BAD)
def test_a_snippet_gives_exactly_these_mistakes(snippet: str, problems: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_search(json.loads(snippet))
    assert list(caught.value.problems) == problems
