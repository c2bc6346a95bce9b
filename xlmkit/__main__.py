"""`python -m xlmkit` is the command `xlmkit`."""

import sys

from xlmkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
