"""`python -m gptcore`."""

import sys

try:
    from gptcore.cli import main
except KeyboardInterrupt:  # imports take a second
    sys.exit(130)

if __name__ == "__main__":
    main()
