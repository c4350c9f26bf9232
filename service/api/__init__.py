"""The native API: one file a resource, schemas on top and endpoints under them. Knows no worker."""
