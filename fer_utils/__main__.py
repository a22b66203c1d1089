"""`python -m fer_utils` is `fer`."""

from fer_utils.cli import main

main()
