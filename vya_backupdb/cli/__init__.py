"""The command line: parse, call one operation, render, map errors to exit codes."""
