# One image for every process: `docker build -t cueline .`, then `api` (the default), `work`, `doctor`, `rules check` …
# Not in it: the broker and Valkey of `cueline demo`, and the benchmarks.
# By digest, since a tag can move. A newer base: README.md, Production.
ARG PYTHON_IMAGE=python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /app
COPY requirements-uv.lock requirements-image.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
 && python -m venv .venv \
 && uv pip install --no-cache --python .venv/bin/python --compile-bytecode --require-hashes -r requirements-image.lock

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cueline
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY models models
COPY rules rules
COPY config config
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/app/.kernels \
    CUELINE_WEB__HOST=0.0.0.0
RUN .venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && python -m compileall -q engine models
# root's, and nobody else may write it: so every user trusts it, on a read-only disk too. On another kind of processor
# a process compiles as it starts, in memory where it may write nowhere.
RUN python -m engine.kernels.warm && ls .kernels/kernels-*/*.kernel > /dev/null
USER 10001
EXPOSE 8080 9109
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=2)"]
ENTRYPOINT ["cueline"]
CMD ["api"]
