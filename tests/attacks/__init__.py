"""Known attacks, each on every reader that it could reach; docs/security.md lists them."""
