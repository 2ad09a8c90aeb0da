"""`python -m plitka`: the command line, by the interpreter that is already chosen."""

from plitka.cli import app

app()
