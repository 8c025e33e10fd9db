"""A model that answers: load a folder, ask about an image. The layers that serve build on this."""
