"""`python -m bench`."""

import sys

try:
    from bench.cli import main
except KeyboardInterrupt:  # imports take a second
    sys.exit(130)

main()
