"""`python -m orion_cli` is `orion`."""

from orion_cli.main import main

main()
