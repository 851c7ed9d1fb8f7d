"""``python -m trainers.spaces``: list spaces, sample one into a file, count or draw what a file holds. No torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edfstat.errors import InputError
from trainers.spaces.architectures import Architecture
from trainers.spaces.catalogue import CIFAR_CAPS, SPACES
from trainers.spaces.counting import CONVENTIONS, STEMS, complexity
from trainers.spaces.definitions import space_named
from trainers.spaces.drawing import save_drawing
from trainers.spaces.space import Space


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns its exit code: 0, or 2 where the input is wrong."""
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'output'}: {error.strerror or error}; check the path\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainers.spaces", description="Design spaces, without training.")
    parser.set_defaults(command=_list)
    commands = parser.add_subparsers(metavar="{list,sample,count,draw}")
    add = commands.add_parser("list", help="the spaces with their sizes (what happens without a command)")
    add.set_defaults(command=_list)

    counted = argparse.ArgumentParser(add_help=False)
    counted.add_argument("--stem", choices=list(STEMS), default="cifar", help="first layers (default cifar)")
    counted.add_argument(
        "--flops", choices=list(CONVENTIONS), default="published",
        help="what counts as a flop: macs are the multiply-adds of convolutions and classifier, published adds one per "
        "class and five per batch-norm output (default published)",
    )  # fmt: skip
    counted.add_argument(
        "--image-size", type=int, help="height and width in pixels (default 32 for the cifar stem, else 224)"
    )
    counted.add_argument("--classes", type=int, help="number of classes (default 10 for the cifar stem, else 1000)")
    counted.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")

    add = commands.add_parser("sample", parents=[counted], help="draw uniformly; writes nets with their complexity")
    add.add_argument("space", help="a name, or a YAML or JSON file with a definition")
    add.add_argument("-n", type=int, default=10, help="how many (default 10)")
    add.add_argument("--seed", type=int, default=0, help="seed of the draws, from 0 (default 0)")
    for measure, example, what in (("params", "856e3", "parameters"), ("flops", "129e6", "flops of one image")):
        for side, least_or_most in (("min", "least"), ("max", "most")):
            add.add_argument(
                f"--{side}-{measure}", type=float,
                help=f"{least_or_most} {what}, inclusive, such as {example}"
                + (", as counted by --flops" if measure == "flops" else ""),
            )  # fmt: skip
    add.add_argument(
        "--require", choices=["any", "all"], default="any",
        help="with limits of both: those of any one must hold, or all (default any)",
    )  # fmt: skip
    add.add_argument(
        "--cifar-caps", action="store_true",
        help="the paper's caps, those of ResNet-56, any of: 856,000 parameters, 129,000,000 flops",
    )  # fmt: skip
    add.add_argument("--no-replacement", action="store_true", help="no architecture twice")
    add.set_defaults(command=_sample)

    add = commands.add_parser("count", parents=[counted], help="params, flops and activations of what a file holds")
    add.add_argument("nets", type=Path, help="JSON: one `net` or record, or a list of them; as `sample` writes")
    add.add_argument("--space", help="also say whether each is in this space and, if not, why not")
    add.set_defaults(command=_count)

    add = commands.add_parser("draw", help="draw one architecture as SVG or PNG")
    add.add_argument("nets", type=Path, help="JSON: one `net` or record, or a list of them")
    add.add_argument("out", type=Path, help="file to write, .svg or .png")
    add.add_argument("--index", type=int, default=0, help="which of a list, from 0 (default 0)")
    add.set_defaults(command=_draw)
    return parser


def _list(_: argparse.Namespace) -> None:
    rows = [("space", "architectures", "cells"), *((s.name, f"{s.size:,}", _cells(s)) for s in SPACES.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, size, cells in rows:
        sys.stdout.write(f"{name:{widths[0]}}  {size:>{widths[1]}}  {cells:>{widths[2]}}".rstrip() + "\n")
    notes = {space.name: getattr(space, "note", "") for space in SPACES.values()}
    sys.stdout.writelines(f"{name}: {note}\n" for name, note in notes.items() if note)


def _cells(space: Space) -> str:
    cells = getattr(space, "num_cells", None)
    return "" if cells is None else f"{cells:,}"


def _sample(args: argparse.Namespace) -> None:
    ends = ("min_params", "max_params", "min_flops", "max_flops")
    limits: dict[str, Any] = {name: end for name in ends if (end := getattr(args, name)) is not None}
    if args.cifar_caps and limits:
        raise InputError("--cifar-caps stands for --max-params and --max-flops; give it, or limits of your own")
    limits = dict(CIFAR_CAPS) if args.cifar_caps else {**limits, "require": args.require}
    space, network = _space(args.space), _network(args)
    sample = space.sample(args.n, rng=args.seed, replace=not args.no_replacement, **limits, **network)
    _write(_with_counts(sample.to_nets(), space.complexity(sample, **network)), args.out)
    sys.stderr.write(f"{len(sample)} of {space.size:,} architectures of {space.name}, {sample.drawn} drawn for them\n")


def _count(args: argparse.Namespace) -> None:
    nets = [_known(args.nets, number, net) for number, net in enumerate(_nets(args.nets))]
    rows = _with_counts(nets, complexity(nets, **_network(args)))
    if args.space is not None:
        space = _space(args.space)
        rows = [{**row, "why_not": space.why_not(row["net"])} for row in rows]
    _write(rows, args.out)


def _draw(args: argparse.Namespace) -> None:
    nets = _nets(args.nets)
    if not 0 <= args.index < len(nets):
        raise InputError(f"--index is {args.index}; {args.nets} holds {len(nets)} architectures, numbered from 0")
    save_drawing(_known(args.nets, args.index, nets[args.index]), args.out)


def _network(args: argparse.Namespace) -> dict[str, Any]:
    return {"stem": args.stem, "flops": args.flops, "image_size": args.image_size, "num_classes": args.classes}


def _with_counts(nets: list[Any], counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"net": net, **{key: int(values[i]) for key, values in counts.items()}} for i, net in enumerate(nets)]


def _space(given: str) -> Space:
    path = Path(given)
    if given in SPACES or path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return space_named(given)
    from trainers.yaml_files import read_yaml

    return space_named(read_yaml(path))


def _nets(path: Path) -> list[Any]:
    """The `net` dictionaries of a file: of one net, of one record, or of a list of either."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); give `net` dictionaries, as `sample` writes") from None
    listed = value if isinstance(value, list) else [value]
    return [item["net"] if isinstance(item, Mapping) and "net" in item else item for item in listed]


def _known(path: Path, number: int, net: Any) -> Any:
    """The net, if a network can be built from it."""
    try:
        Architecture.from_net(net)
    except InputError as error:
        raise InputError(f"{path}, architecture {number} (from 0): {error}") from None
    return net


def _write(rows: list[dict[str, Any]], out: Path | None) -> None:
    # One architecture a line, so that samples can be compared by diff.
    text = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
