"""What every endpoint needs of HTTP: bodies, problems, pages, the contract. Knows no resource, no table."""
