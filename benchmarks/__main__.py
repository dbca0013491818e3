"""``python -m benchmarks run | plan | tables | report | speed``."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.results import Results
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run suites, remake tables and reports.")
    commands = parser.add_subparsers(required=True)
    suites = (
        ("run", _run, "run a suite: train, test, write tables, figures and a report"),
        ("plan", _plan, "say which cells a suite has, and which of them are done"),
    )
    for name, command, words in suites:
        of_suite = commands.add_parser(name, help=words)
        of_suite.add_argument("suite", help="a shipped suite (quick, paper, lambda_sweep) or the path of a suite YAML")
        of_suite.add_argument("--out", type=Path, help="results folder; by default results/SUITE")
        of_suite.add_argument(
            "--data",
            action="append",
            default=[],
            metavar="NAME=DIR",
            help="own images in the place of the table, set or data module of that name: a folder of pairs, of a "
            "manifest, or by device; NAME.KEY=VALUE sets an argument of the data module that reads them",
        )
        of_suite.set_defaults(command=command)
        if name == "run":
            of_suite.add_argument("--jobs", type=int, help="cells at a time; by default one a GPU, or two on CPUs")
            of_suite.add_argument("--retry-failed", action="store_true", help="run failed cells again")
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

    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs {options.jobs}: at least one cell must run at a time")
    suite, results = _suite(options)
    started = time.monotonic()
    failed = run_suite(suite, results, options.jobs, options.retry_failed)
    _report(argparse.Namespace(out=results.out))
    print(f"{len(suite.cells)} cells, {failed} failed, {time.monotonic() - started:.0f} s")
    if failed:
        print("`--retry-failed` runs the failed cells again; each one's log.txt and failed.json say what happened")
    return 1 if failed else 0


def _plan(options: argparse.Namespace) -> int:
    suite, results = _suite(options)
    for cell in suite.cells:
        folder = results.cell(cell.hash)
        state = "done" if folder.finished else f"failed: {folder.failure}" if folder.failure else "to run"
        damage = folder.damage
        print(f"{cell.hash}  {cell.name}: {f'to run again; {damage}' if damage else state}")
    return 0


def _suite(options: argparse.Namespace):
    """The suite that is asked for, with what its results folder remembers of a user's own data."""
    from benchmarks.own_data import parse
    from benchmarks.run.checks import check_suite
    from benchmarks.suite import read_suite, suite_file

    name = suite_file(options.suite).stem
    results = Results((options.out or Path("results") / name).resolve())
    results.check_places()
    earlier = results.earlier_plan
    remembered = earlier.data if earlier is not None and earlier.suite == name else ()
    suite = read_suite(options.suite, parse(options.data, remembered))
    for line in suite.left_out:
        print(line)
    check_suite(suite)
    return suite, results


def _tables(options: argparse.Namespace) -> int:
    from benchmarks.tables.make import write_tables

    results = Results(options.out)
    findings = write_tables(results)
    _print_tables(results, findings)
    return 0


def _report(options: argparse.Namespace) -> int:
    from benchmarks.report.page import write_report
    from benchmarks.tables.make import write_tables

    results = Results(options.out)
    findings = write_tables(results)
    page = write_report(results, findings)
    _print_tables(results, findings)
    print(f"figures: {results.figures}\nreport: {page}\ncells: {results.cells}")
    return 0


def _print_tables(results: Results, findings: list) -> None:
    for table in (table for found in findings for table in found.tables):
        print(table.markdown())
    print(f"tables: {results.tables}")


def _speed(options: argparse.Namespace) -> int:
    from benchmarks.speed.command import measure_speed

    measure_speed(options.only, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
