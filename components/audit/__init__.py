"""What test items and training material have in common, with evidence for each claim."""
