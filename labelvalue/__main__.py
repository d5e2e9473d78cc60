"""``python -m labelvalue`` is the command ``labelvalue``."""

import sys

from labelvalue.cli import main

if __name__ == "__main__":
    sys.exit(main())
