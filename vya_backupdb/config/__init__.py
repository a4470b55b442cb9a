"""The configuration: models, and the file that fills them."""
