"""`make demo`: the whole way on throw-away servers, from a configuration to a compared restore."""
