# docker build -t ranvier . && docker run --rm -v "$PWD/results:/home/ranvier/results" ranvier run locust
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -r /wheels && useradd --create-home ranvier
USER ranvier
WORKDIR /home/ranvier
ENTRYPOINT ["ranvier"]
