"""From NLM's XML to articles and figures, with their versions, deletions and retractions."""
