"""`python -m gptcore`."""

from gptcore.cli import main

if __name__ == "__main__":
    main()
