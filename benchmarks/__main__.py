"""``python -m benchmarks run | plan | tables | report | speed``."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.results import CellFolder, Results
from datamodules.disk import fault_behind
from datamodules.endings import Ended, ended_by_signal
from datamodules.errors import InputError

RUN_PATIENCE_S = 4.0  # for an estimate before a run


def main(args: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 if a cell failed, 2 for bad input or surroundings, 130 or 143 if a
    signal (SIGINT or SIGTERM) has ended it."""
    options = _parser().parse_args(args)
    try:
        with ended_by_signal():
            return options.command(options)
    except Ended as ended:
        print(f"\n{ended}; nothing finished is lost: the same command continues", file=sys.stderr)
        return ended.status
    except Exception as error:
        fault = fault_behind(error, Path.cwd())
        if fault is None:
            raise
        for line in str(fault).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run suites, remake tables and reports.")
    commands = parser.add_subparsers(required=True)
    suites = (
        ("run", _run, "run a suite: train, test, write tables, figures and a report"),
        ("plan", _plan, "say which cells a suite has, which of them are done, and how long the others take"),
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
        of_suite.add_argument("--jobs", type=int, help="cells at a time; by default one a GPU, or two on CPUs")
        of_suite.set_defaults(command=command)
        if name == "run":
            of_suite.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    for name, command, words in (("tables", _tables, "remake the tables"), ("report", _report, "remake the report")):
        remake = commands.add_parser(name, help=f"{words} of a results folder")
        remake.add_argument("results", type=Path, metavar="DIR")
        remake.add_argument("--out", type=Path, help="where to write; by default into DIR")
        remake.set_defaults(command=command)
    speed = commands.add_parser("speed", help="cost of every method's step, of superpixels, of a frame, of the phantom")
    speed.add_argument("--only", choices=("phantom", "frames", "methods"), help="one of the measurements")
    speed.add_argument("--out", type=Path, help="also write the tables as CSV files to this folder")
    speed.set_defaults(command=_speed)
    return parser


def _run(options: argparse.Namespace) -> int:
    from benchmarks.run.runner import run_suite

    suite, results = _suite(options)
    started = time.monotonic()
    due = {cell.hash for cell in suite.cells if _is_to_run(results.cell(cell.hash), options.retry_failed)}
    forecast = _forecast(suite, results, due, options)
    forecast.measure(RUN_PATIENCE_S)
    print(forecast.total(), flush=True)
    failed = run_suite(suite, results, options.jobs, options.retry_failed)
    _report(argparse.Namespace(results=results.out, out=None))
    undone = len({cell.hash for cell in suite.cells if not results.cell(cell.hash).finished}) - failed
    ended = f", {undone} not run to their end" if undone else ""
    print(f"{len(suite.cells)} cells, {failed} failed{ended}, {time.monotonic() - started:.0f} s")
    if failed:
        print("`--retry-failed` runs the failed cells again; each one's log.txt and failed.json say what happened")
    if undone:
        print("the same command goes on with the cells that were told to end")
    return 1 if failed or undone else 0


def _plan(options: argparse.Namespace) -> int:
    from benchmarks.estimate.forecast import BASIS

    suite, results = _suite(options)
    due = set()
    for cell in suite.cells:
        folder = results.cell(cell.hash)
        state = "done" if folder.finished else f"failed: {folder.failure}" if folder.failure else "to run"
        damage = folder.damage
        print(f"{cell.hash}  {cell.name}: {f'to run again; {damage}' if damage else state}", flush=True)
        due |= {cell.hash} if _is_to_run(folder) else set()
    forecast = _forecast(suite, results, due, options)
    forecast.measure()
    print("", forecast.table().to_string(index=False), "", *forecast.reasons(), forecast.total(), BASIS, sep="\n")
    return 0


def _is_to_run(folder: CellFolder, retry_failed: bool = False) -> bool:
    """Or again, where a file of it is damaged."""
    from benchmarks.run.runner import is_due

    return bool(folder.damage) or is_due(folder, retry_failed)


def _forecast(suite, results: Results, due: set[str], options: argparse.Namespace):
    from benchmarks.estimate.forecast import Forecast
    from benchmarks.run.runner import default_jobs

    return Forecast(suite, results, due, options.jobs or default_jobs())


def _suite(options: argparse.Namespace):
    """The suite that is asked for, with what its results folder remembers of a user's own data."""
    from benchmarks.own_data import parse
    from benchmarks.run.checks import check_suite
    from benchmarks.suite import read_suite, suite_file

    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs {options.jobs}: at least one cell must run at a time")
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

    results = Results(options.results, options.out)
    findings = write_tables(results)
    _print_tables(results, findings)
    return 0


def _report(options: argparse.Namespace) -> int:
    from benchmarks.report.page import write_report
    from benchmarks.tables.make import write_tables

    results = Results(options.results, options.out)
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
