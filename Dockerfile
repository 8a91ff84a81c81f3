# One image for the app, the worker and the migration; it runs as a user without rights and writes to /data alone.
FROM node:22-bookworm-slim AS assets
WORKDIR /rung
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1
WORKDIR /rung
COPY pyproject.toml requirements.lock ./
COPY .ci/install .ci/install
# Pass --build-arg PIP_EXTRA_INDEX_URL=… to offer pip PyTorch's CPU wheels, which are far smaller.
ARG PIP_EXTRA_INDEX_URL=
RUN PIP_NO_CACHE_DIR=1 .ci/install app && useradd --uid 10001 --no-create-home rung && install -d -o rung /data /adapters
COPY --from=assets /rung/node_modules node_modules
COPY app app
COPY ingest ingest
COPY retrieval retrieval
COPY routing routing
COPY billing billing
COPY web web
ENV PATH=/rung/.venv/bin:$PATH RUNG_DATA_DIR=/data
USER rung
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "app", "serve"]
