"""A page and an HTTP endpoint on which one model is asked about images. Research only."""
