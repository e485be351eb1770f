"""`submit` a sweep to a running cluster; `cluster check`, `up` and `down` for the files that describe one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from clusters.cluster_files.check import check_manifest
from clusters.cluster_files.launcher import launch
from clusters.code.upload import check_upload, measure_upload
from clusters.errors import ManifestError
from clusters.ray_api.jobs import JobServer
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cli import options
from orchestration.cli.output import EXIT_BAD_INPUT, EXIT_DONE, columns, echo, echo_err, emit
from orchestration.cli.parsing import ELSEWHERE
from orchestration.cli.verbs.run import run
from orchestration.errors import InputError, Mistake
from orchestration.runs.submit import SubmitRequest, exit_code, job_order

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Cluster files; see clusters/manifests.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Ray launcher file; see clusters/manifests.")]

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verb(app, "submit", submit, context_settings=_PASS_ON)
    options.add_group(app, "cluster", "Check, start and stop clusters.", {"check": check, "up": up, "down": down})


def submit(
    context: typer.Context,
    sweep: options.SweepName,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="Job server, for example http://127.0.0.1:8265 [RAY_API_SERVER_ADDRESS, RAY_ADDRESS]."
        ),
    ] = None,
    working_dir: Annotated[
        Path, typer.Option("--working-dir", help="Folder to upload: a checkout, or sweep files for an image.")
    ] = Path(),
    carried: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME", help="Environment variable for the job. Repeatable.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the log and exit with the code of the sweep.")
    ] = True,
    stop: Annotated[bool, typer.Option("--stop", help="Stop this sweep instead. Checkpoints are kept.")] = False,
) -> int:
    """Run a sweep on a cluster as a Ray job. All other options are those of `run`.

    The job outlives this command: the same command again follows it, or continues where it ended.
    """
    parsed = _parsed_by_run(context, sweep)
    request = SubmitRequest(
        sweep=sweep,
        arguments=tuple(context.args),
        parsed=parsed,
        folder=working_dir.absolute(),
        carried=tuple(carried or ()),
    )
    if stop:
        return _stop(request, address)
    job, server = _start(request, address)
    if not wait:
        echo(job)
        return EXIT_DONE
    return _follow(server, job)


def check(files: Files, as_json: options.Json = False) -> int:
    """Check cluster files offline. Each finding has its line, rule and fix."""
    with _bad_file():
        found = {str(path): check_manifest(path) for path in files}
    document = {path: [asdict(finding) for finding in findings] for path, findings in found.items()}
    lines = [f"{path}: {finding}" for path, findings in found.items() for finding in findings]
    emit(
        document,
        lambda: "\n".join(lines) or columns([[path, "fine"] for path in found], header=["file", "state"]),
        as_json=as_json,
    )
    return EXIT_BAD_INPUT if lines else EXIT_DONE


def up(file: File) -> int:
    """Check a launcher file and start its cluster (`ray up`)."""
    with _bad_file():
        return launch("up", file)


def down(file: File) -> int:
    """Stop the cluster of a launcher file (`ray down`)."""
    with _bad_file():
        return launch("down", file)


@contextmanager
def _bad_file() -> Iterator[None]:
    """Turn a mistake in a cluster file into bad input, exit code 2."""
    try:
        yield
    except ManifestError as error:
        raise InputError("cluster file", [Mistake(where="", text=text) for text in error.mistakes]) from error


def _parsed_by_run(context: typer.Context, sweep: str) -> dict[str, Any]:
    """Return the options of `run`; they are read and the sweep is loaded here, so that mistakes are not found on the cluster.

    Files that they name, as `--cluster-file` does, are those of the cluster.
    """
    app = typer.Typer()
    options.add_verbs(app, {"run": run})
    with get_command(app).make_context("run", [sweep, *context.args], obj=ELSEWHERE) as parsed:
        values = dict(parsed.params)
    names = [field.name for field in fields(options.PlannedSweepOptions)]
    options.PlannedSweepOptions(**{name: values[name] for name in names}).load(sweep, builtin_catalogue())
    return values


def _start(request: SubmitRequest, address: str | None) -> tuple[str, JobServer]:
    """Return the sweep's job and its server: the job that is under way, else a new one."""
    order = job_order(request)
    upload = measure_upload(request.folder)
    check_upload(upload)
    server = JobServer(address)
    job = server.find(order.metadata)
    if job is not None:
        echo_err(f"this sweep already runs as {job}; following it")
        return job, server
    echo_err(f"uploading {upload}")
    job = server.submit(order)
    echo_err(f"{job}: {order.entrypoint}")
    return job, server


def _follow(server: JobServer, job: str) -> int:
    try:
        end = server.follow(job, _write)
    except KeyboardInterrupt:
        echo_err(f"{job} continues. Run the same command to follow it again; add --stop to stop it.")
        return EXIT_DONE
    echo_err(f"{job}: {end.status}" + (f" ({end.message})" if end.status != "SUCCEEDED" and end.message else ""))
    return exit_code(end.status, end.exit_code)


def _write(text: str) -> None:
    """Print what the job's log says as it comes, without another end of line."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _stop(request: SubmitRequest, address: str | None) -> int:
    server = JobServer(address)
    job = server.find(job_order(request).metadata)
    if job is None:
        echo_err("this sweep does not run there")
        return EXIT_DONE
    echo_err(f"{job}: {server.stop(job).status}")
    return EXIT_DONE
