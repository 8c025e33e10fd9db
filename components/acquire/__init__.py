"""How raw files arrive: made by the sample world, copied from a folder, or downloaded."""
