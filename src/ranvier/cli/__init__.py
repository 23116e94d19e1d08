"""The `ranvier` command."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from ranvier.cli import lab, launch, scene

COORDINATOR = "RANVIER_COORDINATOR"  # of the processes that `ranvier launch` starts
INTEGRATORS_HELP = "exact-linear, exponential-euler, rk4, euler, heun, midpoint (default: the model's own, or what fits its equations)"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments; when left out the process's own. Only then, when
            the process is the command's, JAX's persistent compilation cache is turned on.

    Returns:
        0; 1 where a run could not be done; 2 where the command was not understood.
    """
    arguments = _parser().parse_args(argv)
    if arguments.version:
        from ranvier.versions import own_version

        print(f"ranvier {own_version()}")
        return 0
    if not arguments.command:
        _parser().print_help()
        return 2
    from ranvier.errors import RanvierError

    try:
        if arguments.command == "models":
            from ranvier.cli.models import show

            show()
        elif arguments.command == "info":
            from ranvier.cli.store import explain, info, plan

            if arguments.plan:
                plan(_model_of(arguments), arguments.devices)
            elif arguments.explain:
                explain(_model_of(arguments))
            else:
                _check_options_of_a_store(arguments)
                info(arguments)
        elif arguments.command == "lab":
            lab.run(arguments, cache=argv is None)
        elif arguments.command == "scene":
            scene.run(arguments)
        elif arguments.command == "launch":
            return launch.launch(arguments)
        elif arguments.command == "check":
            from ranvier.cli.store import check

            return check(arguments)
        elif arguments.command == "export":
            from ranvier.cli.export import run as export

            export(arguments)
        else:
            if argv is None:
                from ranvier.compiled import turn_on_where_asked

                turn_on_where_asked(by_default=True)
            if os.environ.get(COORDINATOR):
                from ranvier.devices import join

                join()
            if arguments.command in ("resume", "repair"):
                from ranvier.cli.store import repair, resume

                (resume if arguments.command == "resume" else repair)(arguments, lambda file: _parser().parse_args(["run", file]))
            else:
                from ranvier.cli.run import run

                run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has read enough, as in `ranvier info run.zarr | head`
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as of a process that SIGPIPE has ended
    except RanvierError as error:
        print(f"ranvier: {error}", file=sys.stderr)
        if argv is None and type(error).__name__ == "ProcessLost":
            # What JAX does at the end of a process waits for the one that is gone.
            sys.stderr.flush()
            os._exit(1)
        return 1
    except KeyboardInterrupt as interruption:
        print(f"ranvier: {interruption or 'interrupted.'}", file=sys.stderr)
        return 128 + getattr(interruption, "signal", signal.SIGINT)
    except OSError as error:
        print(f"ranvier: {error.filename or 'a file'} cannot be used: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


def _add_options_of_a_model(to: argparse.ArgumentParser) -> None:
    """What `ranvier run` and `ranvier info` with a model take alike."""
    to.add_argument("--duration", type=float, metavar="MS", help="how long (ms)")
    to.add_argument("--dt", type=float, metavar="MS", help="the time step (ms)")
    to.add_argument("--integrator", metavar="NAME", help=INTEGRATORS_HELP)
    to.add_argument("--seed", type=int, metavar="N", help="the whole number that everything random comes from (default 0)")
    to.add_argument("--precision", choices=("double", "single"), help="of the numbers (default: the model's own, or double)")
    to.add_argument("--scale", type=float, metavar="X", help="the size of a ready-made network, as a share of the published one")
    to.add_argument("--regime", choices=("A", "B", "C", "D"), help="what a Brunel network does (default C)")
    to.add_argument("--gamma", type=float, metavar="X", help="the excitatory weights of drn, as a share of the published ones (default 1)")
    to.add_argument("--no-gaba", action="store_true", help="leave the inhibition out (antennal lobe)")
    to.add_argument("--plastic", action="store_true", help="let the excitatory weights of drn learn")


def _model_of(info: argparse.Namespace) -> argparse.Namespace:
    """The model that `ranvier info` is to say something of, as `ranvier run` would be asked for it."""
    parser = argparse.ArgumentParser()
    _add_options_of_a_model(parser)
    given = {option: getattr(info, option) for option in vars(parser.parse_args([]))}
    return argparse.Namespace(**{**vars(_parser().parse_args(["run", info.store])), **given})


def _check_options_of_a_store(info: argparse.Namespace) -> None:
    """Refuses the options of a model where a store is asked about.

    Raises:
        ParameterError: one is given.
    """
    from ranvier.errors import ParameterError

    plain = vars(_parser().parse_args(["info", info.store]))
    for option, value in vars(info).items():
        if value != plain[option]:
            name = option.replace("_", "-")
            raise ParameterError(
                f"--{name} is for a model: write --plan or --explain with it, as in `ranvier info brunel --plan --{name} …`."
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ranvier", description="Simulates networks of biological neurons.")
    parser.add_argument("--version", action="store_true", help="say which version this is")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("models", help="list the ready-made models")
    run = commands.add_parser(
        "run",
        help="run a ready-made model or a file",
        description="Runs a ready-made model, or a Python file that defines `network`. "
        "It leaves a folder with spikes, traces, pictures and a report.",
        epilog="A file defines `network` (a network, population or neuron model) and `duration` (ms); it may define dt, record, until, "
        "watch, watch_every, integrator, current, initial, seed and precision. The options here come before what it says.",
    )
    run.add_argument(
        "what",
        metavar="NAME|FILE.py",
        help="a model that `ranvier models` lists, such as locust, train-digits, a file, or psst-folder and a folder",
    )
    run.add_argument("folder", nargs="?", metavar="DIR", help="of `ranvier run psst-folder DIR`: what PSST's call.py and run.py saved")
    _add_options_of_a_model(run)
    run.add_argument("--out", metavar="FOLDER", help="where the results go (default results/NAME-seedN)")
    run.add_argument(
        "--devices", metavar="N", help="compute it on so many devices, each with a share of every population; or cpu, gpu, tpu"
    )
    run.add_argument("--no-plots", action="store_true", help="draw no pictures")
    run.add_argument("--store", metavar="STORE", help="write spikes and records there while it runs, instead of a folder of results")
    run.add_argument("--checkpoint-every", type=float, metavar="MS", help="a place to go on from, so often in simulated time (ms)")
    run.add_argument("--overwrite", action="store_true", help="replace the store that is there")
    resume = commands.add_parser(
        "resume",
        help="go on with a run from its store",
        description="Goes on from the last checkpoint in a store, as if the run had never stopped.",
    )
    resume.add_argument("store", metavar="STORE", help="the store that `ranvier run --store` or simulate(…, store=…) made")
    resume.add_argument("--duration", type=float, metavar="MS", help="how long the run is to be as a whole (ms; default: as planned)")
    resume.add_argument("--file", metavar="FILE.py", help="the file that defines `network`, where that holds classes or functions of yours")
    resume.add_argument("--checkpoint-every", type=float, metavar="MS", help="as for `ranvier run` (default: as before)")
    resume.add_argument("--devices", metavar="N", help="as for `ranvier run`; another number than before gives the same")
    info = commands.add_parser("info", help="say what a store holds", description="Says what a store holds, also while it is written.")
    info.add_argument("store", metavar="STORE", help="a store; with --explain or --plan a model or a file, as for `ranvier run`")
    info.add_argument(
        "--explain", action="store_true", help="say how a model is computed: methods, what is native and why, where states lie"
    )
    info.add_argument(
        "--plan", action="store_true", help="say how much memory a model will take on each device, and refuse what does not fit"
    )
    info.add_argument("--devices", type=int, default=1, metavar="N", help="with --plan: on how many devices (default: 1)")
    _add_options_of_a_model(info)
    check = commands.add_parser(
        "check",
        help="read all of a store and say what is damaged",
        description="Reads every file of a store and says what is not as it was written, and which time is lost. It returns 0 where "
        "all is whole, else 1.",
    )
    check.add_argument("store", metavar="STORE")
    repair = commands.add_parser(
        "repair",
        help="compute again what a store has lost",
        description="Computes again what a damaged store has lost, from the newest place to go on from before it, bit for bit.",
    )
    repair.add_argument("store", metavar="STORE")
    repair.add_argument("--file", metavar="FILE.py", help="the file that defines `network`, where that holds classes or functions of yours")
    export = commands.add_parser(
        "export",
        help="write a store in another program's format",
        description="Writes the run in a store as NWB, as a NIX file for Neo, as SONATA, as CSV, as NumPy arrays, "
        "as NetCDF or as Zarr arrays for xarray. "
        "Nothing is overwritten.",
    )
    export.add_argument("store", metavar="STORE", help="the folder, such as run.zarr")
    export.add_argument("--to", required=True, metavar="FORMAT", help="nwb, neo, sonata, csv, npz, netcdf or zarr")
    export.add_argument("--out", metavar="PATH", help="the file or folder to write (default beside the store)")
    scene.add_to(commands)
    lab.add_to(commands)
    launch.add_to(commands)
    return parser
