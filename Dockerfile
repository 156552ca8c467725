# One image for every process: `docker build -t cueline .`, then `api` (the default), `work`, `doctor`, `rules check` …
FROM python:3.12-slim AS packages
WORKDIR /app
COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
 && python -m venv .venv \
 && uv pip install --no-cache --python .venv/bin/python --compile-bytecode --require-hashes -r requirements.lock

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home cueline \
 && install -d -o cueline -g cueline /app /app/.kernels /app/.cueline
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY models models
COPY loadtest loadtest
COPY rules rules
COPY config config
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/app/.kernels \
    CUELINE_WEB__HOST=0.0.0.0
RUN .venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && python -m compileall -q engine models loadtest
USER cueline
# here, not in the first stage: the compiler's cache knows its sources by their times, and a copy may change those.
# On another kind of CPU a process compiles once more as it starts.
RUN python -m engine.kernels.warm
EXPOSE 8080 9109
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=2)"]
ENTRYPOINT ["cueline"]
CMD ["api"]
