"""A command line with one of each that makes parsing again hard: required, positional, a subcommand."""

from __future__ import annotations

import argparse


def training_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--data", required=True)
    parser.add_argument("pos")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--mode", choices=["a", "b"], default="a")
    parser.add_argument("--layers", nargs="+", type=int)
    train = parser.add_subparsers(dest="command", required=True).add_parser("train")
    train.add_argument("--n", type=int, default=3)
    train.add_argument("files", nargs=2)
    return parser
