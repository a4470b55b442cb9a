"""A realistic shop for each kind of server, the same every time, for the demonstration and the tests."""
