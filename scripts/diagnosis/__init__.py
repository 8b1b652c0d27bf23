"""What `doctor.py` is made of, one module a question. It looks from outside alone: nothing of the functions is imported
but the words that `tokens.py verify` uses too."""
