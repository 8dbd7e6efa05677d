"""`python -m inglenook`: the command line."""

from inglenook.cli import main

main()
