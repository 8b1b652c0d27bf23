"""Issuers that nobody here has written, on loopback: what their tokens open and do not open in door jwt.

Only `make interop` comes here; nothing of it is deployed.
"""
