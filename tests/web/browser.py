"""The test client, imported without its warning about the HTTP library underneath."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using `httpx`")
    from fastapi.testclient import TestClient

__all__ = ["TestClient"]
