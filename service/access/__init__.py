"""Who may do what, and how often. Knows no resource."""
