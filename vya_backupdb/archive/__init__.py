"""The file format: one ordinary file of compressed SQL, with an index inside."""
