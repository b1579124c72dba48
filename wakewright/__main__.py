"""`python -m wakewright`: the same as the command `wakewright`."""

import sys

from wakewright.apps.cli import main

if __name__ == "__main__":
    sys.exit(main())
