# The viewer and the other front-end packages, checked against the checksums in viewer_static/packages.toml.
FROM node:22-bookworm AS front-end
WORKDIR /fetch
COPY viewer_static viewer_static
RUN python3 -m viewer_static.fetch

FROM python:3.11-slim
# Where pip finds torch's build for this site's machines, when the default one (with CUDA) is not wanted.
ARG TORCH_INDEX=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# What WeasyPrint draws the pages of results with.
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
# The dependencies alone (the project installs no package of its own), so that a change of code builds in seconds.
# python-ldap is compiled; what it is compiled with goes again, and the libraries that it uses stay.
COPY pyproject.toml README.md ./
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends gcc libc6-dev libldap2-dev libsasl2-dev \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} '.[ldap,report,triton]' \
    && apt-get purge -qq -y gcc libc6-dev libldap2-dev libsasl2-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
COPY --from=front-end /fetch/viewer_static/dist viewer_static/dist
RUN python -m compileall -q . \
    && useradd --system --uid 10001 --create-home overread \
    && install -d -o overread -g overread -m 0755 /store \
    && install -d -o overread -g overread -m 0755 /static
USER overread
EXPOSE 8000 11112
CMD ["python", "manage.py", "serve"]
