"""`python -m vya_backupdb`."""

import sys

from vya_backupdb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
