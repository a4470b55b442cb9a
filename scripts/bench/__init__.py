"""Benchmarks against the bare pipelines of the dump tools; `make bench` runs them."""
