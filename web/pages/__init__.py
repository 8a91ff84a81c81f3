"""The pages, one file a subject, each with an `APIRouter` named `pages`; `web.application` lists them."""
