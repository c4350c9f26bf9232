# One image for API, worker, sweeper and migration; the command says which.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY engine engine
COPY service service
COPY migrations migrations
RUN python -m venv /opt/gradhouse \
    && /opt/gradhouse/bin/pip install --no-cache-dir --compile --constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /data --uid 10001 gradhouse
COPY --from=build /opt/gradhouse /opt/gradhouse
ENV PATH=/opt/gradhouse/bin:$PATH GRADHOUSE_DATA_DIR=/data GRADHOUSE_LOG_FORMAT=json
USER gradhouse
VOLUME /data
EXPOSE 8137
ENTRYPOINT ["gradhouse"]
CMD ["api"]
