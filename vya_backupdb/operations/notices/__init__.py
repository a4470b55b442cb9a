"""What is run around a run of backups (hooks), and who is told how it went (notices, a monitor's ping)."""
