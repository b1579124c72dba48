"""`wakewright judge`: a server that confirms what a Sentry heard, and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wakewright.apps.commands.options import finite

app = typer.Typer(name="judge", help="A server that confirms what a Sentry heard.", no_args_is_help=True)
key_app = typer.Typer(name="key", help="Keys that a Judge answers to.", no_args_is_help=True)
app.add_typer(key_app)

Keys = Annotated[Path, typer.Option("--keys", metavar="FILE", help="The file of keys; it holds hashes only.")]
MEGABYTE = 1_000_000
MOST_DAYS = 36_500
"""A key that is to live longer needs no end."""


@app.command()
def serve(
    run: Annotated[list[Path], typer.Argument(help="Runs, or folders made by export, one for each phrase.")],
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs --keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answer only to keys of this file; read anew when it changes.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Clips judged at once; 0 takes one per core.")] = 0,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are sent away with 503.")] = 64,
    rate: Annotated[
        float, typer.Option(min=0, callback=finite, help="Requests a second from one client; 0: any number.")
    ] = 50.0,
    longest: Annotated[float, typer.Option(min=1, max=60, callback=finite, help="Longest sound in seconds.")] = 10.0,
    patience: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Seconds in which a request must have come whole.")
    ] = 10.0,
    receive_mb: Annotated[
        int, typer.Option(min=4, help="Bodies held at once, half sent or whole, in MB; more is sent away with 503.")
    ] = 32,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the sound that was judged, for mining. Off by default.")
    ] = None,
    keep_mb: Annotated[int, typer.Option(min=1, help="Most that is kept, in MB; the oldest goes first.")] = 500,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    from wakewright.apps.judge.keep import Keeper
    from wakewright.apps.judge.keys import KeyRing
    from wakewright.apps.judge.limits import Limits
    from wakewright.apps.judge.serve import serve as serve_court
    from wakewright.apps.judge.server import Court

    limits = Limits(
        waiting=waiting,
        per_second=rate,
        burst=max(1, round(2 * rate)),
        longest_s=longest,
        patience_s=patience,
        received_bytes=receive_mb * MEGABYTE,
    )
    folders = tuple(path.parent if path.is_file() else path for path in run)
    ring = None if keys is None else KeyRing(keys)
    keeper = None if keep is None else Keeper(keep, keep_mb * MEGABYTE)
    serve_court(Court(folders, limits, ring, keeper, threads or None), host, port)


@key_app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is, as it stands in the log.")],
    keys: Keys = Path("keys.json"),
    days: Annotated[
        float | None, typer.Option(min=0, max=MOST_DAYS, callback=finite, help="It expires after so many days.")
    ] = None,
) -> None:
    """Make a key and show it, once."""
    from wakewright.apps.judge import keys as ring

    key = ring.add(keys, name, days)
    typer.echo(key)
    typer.echo(f"its hash is in {keys}; the key itself cannot be shown again", err=True)


@key_app.command()
def remove(name: Annotated[str, typer.Argument(help="Whose it is.")], keys: Keys = Path("keys.json")) -> None:
    """Make a key useless; a running Judge notices."""
    from wakewright.apps.judge import keys as ring

    ring.remove(keys, name)


@key_app.command("list")
def list_keys(keys: Keys = Path("keys.json")) -> None:
    """List the keys by name."""
    from wakewright.apps.judge import keys as ring

    found = ring.read(keys)
    for entry in found:
        ends = f"expires {entry['expires']}" if entry["expires"] else "never expires"
        made = f"made {entry['created']}" if "created" in entry else "made by hand"
        typer.echo(f"{entry['name']}: {made}, {ends}")
    if not found:
        typer.echo(f"no key in {keys}; make one: wakewright judge key add NAME")
