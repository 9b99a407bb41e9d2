"""`python -m relucensus_service runner`: how `serve` starts its runner, without the client's command line."""

import typer

if __name__ == "__main__":  # worker processes import this module too
    from relucensus_service.runner_command import runner

    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.callback()(lambda: None)
    program.command()(runner)
    program()
