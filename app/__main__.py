"""`python -m app`: the one entry. See `app.cli`."""

from app.cli import run

if __name__ == "__main__":
    run()
