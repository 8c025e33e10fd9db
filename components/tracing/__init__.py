"""Lineage in both directions, read off manifests, Parquet files and dvc.lock; nothing is stored."""
