"""HTTP and HTML: pages, the API, sign-in. No SQL and no model calls."""
