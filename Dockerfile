# One image for every service of docker-compose.yml, and for `relucensus serve` alone:
#   docker build -t relucensus . && docker run -p 127.0.0.1:8000:8000 -v relucensus:/data relucensus
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL=https://pypi.org/simple
RUN python3 -m venv /opt/relucensus
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY solver solver
COPY service service
COPY clients clients
# No torch: the service reads model files without it.
RUN PIP_INDEX_URL=${PIP_INDEX_URL} /opt/relucensus/bin/pip install --no-cache-dir --no-compile \
    -c constraints.txt ".[postgres,parquet,plot]"

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --create-home relucensus && install -d -o relucensus /data
COPY --from=build /opt/relucensus /opt/relucensus
ENV PATH=/opt/relucensus/bin:$PATH PYTHONUNBUFFERED=1 RELUCENSUS_DATA=/data NUMBA_CACHE_DIR=/var/cache/relucensus
RUN install -d -o relucensus $NUMBA_CACHE_DIR
USER relucensus
# Compiled for this machine's processor. On another kind a worker compiles again when it starts, for up to a minute.
RUN python3 -c "from relucensus.warm import warm; warm()"
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# --open: who may come in is a matter of where the port is published, until there is an API key.
CMD ["relucensus", "serve", "--host", "0.0.0.0", "--port", "8000", "--open"]
