"""Accounts: users, roles and what they are granted."""
