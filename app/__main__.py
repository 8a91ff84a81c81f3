"""`python -m app`: the one entry. See `app.cli.application`."""

from app.cli.application import run

if __name__ == "__main__":
    run()
