"""When stages run: Prefect flows over the DVC graph. Nothing here knows what a stage does."""
