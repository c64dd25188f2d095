"""The `eridu` command line. Each command imports what it needs, so that none waits for the others' libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

app = typer.Typer(
    help="Eridu: livestream show production as a suite of gRPC services.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def up() -> None:
    """Run the suite in the foreground, on real servers, until Ctrl-C."""
    with told():
        from deploy.local.up import up as run

        run()


@app.command()
def demo() -> None:
    """Run the main job: a real plan becomes confirmed shows and tasks. Uses the suite that runs, or starts one."""
    with told():
        from deploy.demo.demo import main

        code = main()
    raise typer.Exit(code)


@app.command()
def where(name: Annotated[str, typer.Argument(help="a service, or `nats`")] = "") -> None:
    """Print where the running suite's services and its broker are, or where one of them is."""
    with told():
        from libs.client import local

        places = local.where()
        if name and name not in places:
            raise typer.BadParameter(f"one of: {', '.join(places)}")
        print(places[name] if name else "\n".join(f"{key:<12}{place}" for key, place in places.items()))


@app.command()
def token(
    user: Annotated[str, typer.Option(help="the user's ext_id")] = "root@eridu.local",
    email: Annotated[str, typer.Option(help="the e-mail address that the token vouches for")] = "",
) -> None:
    """Print a bearer token for a user of the local suite, good for an hour."""
    with told():
        from libs.client import local

        print(local.token(user, email=email))


@app.command()
def migrate() -> None:
    """Bring the schemas of all services up to date, in the database of ERIDU_DATABASE_URL (its owner's)."""
    with told():
        from deploy.local.migrate import migrate as run

        run(typer.echo)


@contextmanager
def told() -> Iterator[None]:
    """What the stack cannot do is said in its own words, without a traceback."""
    try:
        from deploy.local.processes import LocalError

        yield
    except LocalError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
