"""The proof that backups restore: into a throw-away server, which is asked what came back."""
