"""Profiles: named overlays of defaults.yaml. ``biomedgpt use NAME`` writes params.yaml from one."""
