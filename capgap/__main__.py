"""``python -m capgap`` is the command ``capgap``."""

import sys

from capgap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
