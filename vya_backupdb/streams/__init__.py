"""Bytes only, no database: supervised children, compression, digests."""
