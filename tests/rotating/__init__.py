"""What the tests of the token lifecycle share: services to keep documents in, a clock that waits without waiting."""
