"""Files and JSON in, tables out."""
