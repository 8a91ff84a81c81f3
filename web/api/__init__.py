"""The JSON API and what operators watch: one `APIRouter` named `api` a file; `web.application` lists them."""
