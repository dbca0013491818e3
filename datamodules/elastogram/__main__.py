"""``python -m datamodules.elastogram`` (see :mod:`datamodules.elastogram.cli`)."""

import sys

from datamodules.elastogram.cli import main

if __name__ == "__main__":
    sys.exit(main())
