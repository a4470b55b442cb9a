"""Users, roles and grants of an instance: backed up into one script, listed, compared, restored."""
