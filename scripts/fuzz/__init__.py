"""Scripts that nobody wrote, for the readers: dumps changed at random, and what must hold of them.

`python -m scripts.fuzz` runs it for as long as VYA_FUZZ_SECONDS says; the tests use the same rules.
"""
