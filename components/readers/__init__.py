"""From official files to rows: one module per file format, and a registry that cards name."""
