"""The command line: one thin file per verb, which parses, calls the Python API and prints.

Answers go to stdout, progress and notes to stderr. Exit codes: 0 done, 1 a check found problems, 2 an error the user
can mend (one message, no traceback), 130 stopped by Ctrl-C. Each verb imports what it works with when it runs, so that
--help is immediate.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crossgraph.cli.ablate import ablate
from crossgraph.cli.bench import bench
from crossgraph.cli.calibrate import calibrate
from crossgraph.cli.cascade import build as build_cascade
from crossgraph.cli.cascade import pack as pack_cascade
from crossgraph.cli.cascade import show as show_cascade
from crossgraph.cli.data import check
from crossgraph.cli.demo import demo
from crossgraph.cli.doctor import doctor
from crossgraph.cli.ensemble import ensemble
from crossgraph.cli.evaluate import evaluate
from crossgraph.cli.explain import explain
from crossgraph.cli.gallery import gallery_commands
from crossgraph.cli.graph import graph_commands
from crossgraph.cli.index import index
from crossgraph.cli.methods import list_methods, show_method
from crossgraph.cli.model import show as show_model
from crossgraph.cli.pretrained import pretrained
from crossgraph.cli.query_bank import query_bank
from crossgraph.cli.report import report
from crossgraph.cli.search import search
from crossgraph.cli.serve import serve
from crossgraph.cli.sync import sync
from crossgraph.cli.teach import teach
from crossgraph.cli.train import train
from crossgraph.errors import CrossgraphError
from crossgraph.training.memory import keep_freed_memory


class _Guarded(TyperGroup):
    """Commands whose errors are one message on stderr."""

    def invoke(self, ctx: Any) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()  # a broken pipe shows here, where it is handled, not at exit
            return answer
        except BrokenPipeError:
            raise  # typer ends quietly
        except (CrossgraphError, OSError) as error:
            from crossgraph.cli.output import shown_lines

            typer.echo(f"error: {shown_lines(error)}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            told = "stopped. What was finished by then, if anything, is kept: run the same command again to go on."
            typer.echo(told, err=True)
            raise typer.Exit(130) from None


def _print_version(asked: bool) -> bool:
    if asked:
        import importlib.metadata

        typer.echo(f"crossgraph {importlib.metadata.version('crossgraph')}")
        raise typer.Exit
    return asked


app = typer.Typer(name="crossgraph", cls=_Guarded, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def crossgraph(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Retrieve pictures by sentences and sentences by pictures: train, compare, and search your own pictures."""


data_commands = typer.Typer(help="Look at data before any work is put into it.", no_args_is_help=True)
data_commands.command()(check)
methods_commands = typer.Typer(help="The methods there are, their switches and sources.", no_args_is_help=True)
methods_commands.command("list")(list_methods)
methods_commands.command("show")(show_method)
model_commands = typer.Typer(help="Trained models, and the one that comes with crossgraph.", no_args_is_help=True)
model_commands.command("show")(show_model)
cascade_commands = typer.Typer(help="Trained runs put together for search.", no_args_is_help=True)
cascade_commands.command("build")(build_cascade)
cascade_commands.command("pack")(pack_cascade)
cascade_commands.command("show")(show_cascade)

app.command()(demo)
app.add_typer(data_commands, name="data")
app.command()(train)
app.command()(pretrained)
app.command()(ensemble)
app.command()(query_bank)
app.command()(teach)
app.command()(evaluate)
app.command()(ablate)
app.command()(report)
app.command()(bench)
app.add_typer(cascade_commands, name="cascade")
app.command()(calibrate)
app.command()(index)
app.command()(sync)
app.add_typer(gallery_commands, name="gallery")
app.command()(search)
app.command()(serve)
app.command()(explain)
app.add_typer(graph_commands, name="graph")
app.add_typer(methods_commands, name="methods")
app.add_typer(model_commands, name="model")
app.command()(doctor)


def main() -> None:
    """Run the command line; ends the process."""
    _open_closed_streams()
    keep_freed_memory()
    app()


def _open_closed_streams() -> None:
    """What is written to a closed stream (`>&-`) goes nowhere, and no file of a gallery gets the number of one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the process ends
