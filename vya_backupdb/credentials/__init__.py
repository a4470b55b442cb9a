"""Who logs in where: the encrypted file, its key, and how a secret reaches a child."""
