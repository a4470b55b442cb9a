"""What surrounds the product: set-up, engines for the tests, the demonstration, sample data."""
