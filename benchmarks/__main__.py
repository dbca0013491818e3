"""``python -m benchmarks run | tables | report | speed``."""

import argparse
import sys
import time
from pathlib import Path

from datamodules.errors import InputError


def main(args: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 if a cell failed, 2 for bad input, 130 if interrupted."""
    options = _parser().parse_args(args)
    try:
        return options.command(options)
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; nothing finished is lost: the same command continues", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    from benchmarks.suite import FOLDERS

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run suites, remake tables and reports.")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run a suite: train, test, write tables, figures and a report")
    run.add_argument("suite", help="a shipped suite (quick, paper, lambda_sweep) or the path of a suite YAML")
    run.add_argument("--out", type=Path, help="results folder; by default results/SUITE")
    run.add_argument("--jobs", type=int, help="cells at a time; by default one a GPU, or two on CPUs alone")
    for name in FOLDERS:
        words = f"the real {name} images, for the tables that use them"
        run.add_argument(f"--{name.lower()}", dest=name, type=Path, metavar="DIR", help=words)
    run.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    run.set_defaults(command=_run)
    for name, command, words in (("tables", _tables, "remake the tables"), ("report", _report, "remake the report")):
        remake = commands.add_parser(name, help=f"{words} of a results folder")
        remake.add_argument("out", type=Path, metavar="DIR")
        remake.set_defaults(command=command)
    speed = commands.add_parser("speed", help="cost of every method's step, of superpixels, of a frame, of the phantom")
    speed.add_argument("--only", choices=("phantom", "frames", "methods"), help="one of the measurements")
    speed.add_argument("--out", type=Path, help="also write the tables as CSV files to this folder")
    speed.set_defaults(command=_speed)
    return parser


def _run(options: argparse.Namespace) -> int:
    from benchmarks.run.runner import run_suite
    from benchmarks.suite import FOLDERS, read_suite

    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs {options.jobs}: at least one cell must run at a time")
    folders = {name: getattr(options, name) for name in FOLDERS if getattr(options, name) is not None}
    suite = read_suite(options.suite, folders)
    for line in suite.left_out:
        print(line)
    out = (options.out or Path("results") / suite.name).resolve()
    started = time.monotonic()
    failed = run_suite(suite, out, options.jobs, options.retry_failed)
    _report(argparse.Namespace(out=out))
    print(f"{len(suite.cells)} cells, {failed} failed, {time.monotonic() - started:.0f} s")
    if failed:
        print("`--retry-failed` runs the failed cells again; each one's log.txt and failed.json say what happened")
    return 1 if failed else 0


def _tables(options: argparse.Namespace) -> int:
    from benchmarks.tables.scores import write_tables

    for table in write_tables(options.out):
        print(table.markdown())
    print(f"tables: {options.out / 'tables'}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from benchmarks.report.page import write_report

    page = write_report(options.out)
    _tables(options)
    print(f"figures: {options.out / 'figures'}\nreport: {page}\ncells: {options.out / 'cells'}")
    return 0


def _speed(options: argparse.Namespace) -> int:
    import torch

    from benchmarks.run.cell import environment
    from benchmarks.speed.frames import frame_speed
    from benchmarks.speed.methods import SIZES, method_speed, phantom_speed, superpixel_speed
    from datamodules.writers import write_text_atomically

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_flush_denormal(True)
    tables = {}
    if options.only in (None, "phantom"):
        tables["phantom"] = phantom_speed(device)
    if options.only in (None, "frames"):
        tables["frames"] = frame_speed(device)
    if options.only in (None, "methods"):
        tables["speed"] = method_speed(device)
        hsct = tables["speed"].set_index(["method", "variant"]).loc["hsct", "fp32"]
        tables["superpixels"] = superpixel_speed(hsct["step_ms"], SIZES["hsct"][2])
    for name, table in tables.items():
        print(table.to_string(index=False), end="\n\n")
        if options.out is not None:
            write_text_atomically(options.out / f"{name}.csv", table.to_csv(index=False))
    print(", ".join(f"{key}: {value}" for key, value in environment().items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
