"""What `scripts/package.py` is made of: one module per step from sources to a zip. Nothing here is deployed."""
