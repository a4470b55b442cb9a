"""The catalog: names, records, the store and its journal."""
