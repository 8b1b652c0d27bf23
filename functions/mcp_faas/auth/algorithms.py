"""The names of the signature algorithms that an access token may have (RFC 7518 §3.1, RFC 8037 §3.1). Names only.

Asymmetric ones alone: with a symmetric one everybody who can verify can also sign (RFC 8725 §3.1).
"""

from __future__ import annotations

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}  # RFC 7518 §3.4: each curve has its one
EDWARDS_ALGORITHMS = ("EdDSA",)

ASYMMETRIC_ALGORITHMS = (*RSA_ALGORITHMS, *CURVE_ALGORITHMS.values(), *EDWARDS_ALGORITHMS)
