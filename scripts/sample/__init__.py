"""A realistic shop for each kind of server, the same every time, for the demonstration and the tests.

databases = load(server)              # makes roles and databases, gives the databases' names
make_roles(target)                    # what a restore onto an empty server needs first
"""

from __future__ import annotations

from scripts.sample.load import database_names, load, make_roles

__all__ = ["database_names", "load", "make_roles"]
