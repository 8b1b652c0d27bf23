"""The rooms of `make run`: what it starts, proves, prints and watches. `scripts/dev.py` puts them together."""
