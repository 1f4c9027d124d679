"""``selfalign execute`` and ``sandbox``: the execution filter on plain files, and the sandbox itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel

Environment = Annotated[
    str,
    typer.Option(
        help="Packages that programs can import: stdlib, build, or the name of a lock file envs/programs/<name>.lock, "
        "installed in the user's cache directory at the first use."
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of programs run in parallel. [default: one per core]")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(execute)
    sandbox = typer.Typer(no_args_is_help=True, help="Test the sandbox or serve it to other hosts.")
    app.add_typer(sandbox, name="sandbox")
    sandbox.command("self-test")(self_test)
    sandbox.command()(install)
    sandbox.command()(serve)


def execute(
    source: Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines file of responses.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for passing responses.")],
    *,
    runtime: Annotated[
        str,
        typer.Option(help="Sandbox runtime: auto, gvisor, docker, podman, apptainer, bubblewrap, none."),
    ] = "auto",
    image: Annotated[str, typer.Option(help="Container image: reference or .sif file.")] = "",
    environment: Environment = "numpy",
    faithful: Annotated[
        bool, typer.Option("--faithful", help="As the reference: exit status 0 is a pass.")
    ] = False,
    scope: Annotated[
        str, typer.Option(help="Top-level names: function (as the reference) or module (Python's rule).")
    ] = "function",
    cache: Annotated[Path | None, typer.Option(help="File of cached verdicts, read and extended.")] = None,
    verdicts: Annotated[Path | None, typer.Option(help="JSON Lines file for all verdicts.")] = None,
    dropped: Annotated[Path | None, typer.Option(help="JSON Lines file for rows that do not pass.")] = None,
    workers: Workers = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Run every response with its own tests in the sandbox; keep those that pass."""
    from selfalign.execute.filter import execute_file
    from selfalign.program_environments import ready_environment

    execute_file(
        source,
        out,
        verdicts=verdicts,
        dropped=dropped,
        runtime=runtime,
        image=image,
        environment=ready_environment(environment),
        cache=cache,
        workers=workers,
        faithful=faithful,
        scope=scope,
    )


def install(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a lock file envs/programs/<name>.lock.")
    ],
    _log_level: LogLevel = "INFO",
) -> None:
    """Install the packages of an environment for programs in the user's cache directory."""
    from selfalign.program_environments import ready_environment

    typer.echo(ready_environment(name).digest())


def self_test(
    runtime: Annotated[str, typer.Option(help="Runtime to test. [default: all except none]")] = "",
) -> None:
    """Test the isolation of each runtime; exit with status 1 if the given runtime or all of them fail."""
    from selfalign.core.errors import InfrastructureError
    from selfalign.sandbox.runtimes import AUTOMATIC, find_runtime
    from selfalign.sandbox.selftest import self_test as run_self_test

    sound = []
    for name in [runtime] if runtime else AUTOMATIC:
        checks = run_self_test(find_runtime(name))
        for check in checks:
            typer.echo(f"{name}: {check.name}: {'FAILED, ' + check.problem if check.problem else 'ok'}")
        if not any(check.problem for check in checks):
            sound.append(name)
    if not sound:
        raise InfrastructureError("no runtime passed its self-test")
    typer.echo(f"sound: {', '.join(sound)}")


def serve(
    *,
    token_file: Annotated[Path, typer.Option(help="File with the token that clients must send.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any free port.")] = 8765,
    runtime: Annotated[str, typer.Option(help="Sandbox runtime; see `selfalign execute`.")] = "auto",
    image: Annotated[str, typer.Option(help="Container image; see `selfalign execute`.")] = "",
    environment: Environment = "numpy",
    workers: Workers = None,
    memory_mb: Annotated[
        int,
        typer.Option(min=64, help="Maximum memory of a program, in MiB; scoring needs the default."),
    ] = 8192,
    processes: Annotated[int, typer.Option(min=1, help="Maximum number of processes of a program.")] = 256,
    queue: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of queued requests; further clients are asked to retry."),
    ] = 256,
    _log_level: LogLevel = "INFO",
) -> None:
    """Serve the sandbox of this machine to other hosts until interrupted.

    Clients use http://HOST:PORT as their runtime, with the token in SELFALIGN_SANDBOX_TOKEN.
    """
    from selfalign.program_environments import ready_environment
    from selfalign.sandbox import Limits, open_pool
    from selfalign.sandbox.server import SandboxServer, read_token

    token = read_token(token_file)
    most = Limits(memory_mb=memory_mb, processes=processes)
    programs = ready_environment(environment)
    with open_pool(runtime, workers=workers, most=most, image=image, environment=programs) as pool:
        with SandboxServer((host, port), pool, most, token, queue) as server:
            typer.echo(f"serving {pool.runtime} ({pool.image}) on http://{host}:{server.server_port}")
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
