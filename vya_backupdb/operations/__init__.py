"""The use cases; they take typed values, return typed results, and never print."""
