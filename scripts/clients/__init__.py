"""What `scripts/interop.py` is made of: the real clients, what they visit, and what is made of it. Never deployed."""
