"""Hostile input: changed files for every reader, held to one contract."""
