"""What `tokens.py` is made of, one module a question. Nothing here is deployed."""
