# syntax=docker/dockerfile:1
# A static binary in an image that holds nothing else but the certificates of public authorities: no shell,
# no libc, no package manager.
#
#   docker build -t reshard:0.1.0 .
#
# musl makes it static; aws-lc-rs needs a C compiler for it, which is musl-gcc. TLS uses the authorities that the
# image has (rustls-native-certs: distroless has /etc/ssl/certs/ca-certificates.crt; without any, a warning says that
# AWS cannot be reached), and for the API server the one of the pod's service account. Time zones are in the binary.
FROM rust:1.95-slim-bookworm AS build
# TARGETARCH is the builder's own: emulate, or build on a machine of that kind.
ARG TARGETARCH
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates make musl-tools \
    && rm -rf /var/lib/apt/lists/*
RUN case "$TARGETARCH" in \
        arm64) echo aarch64-unknown-linux-musl ;; \
        *) echo x86_64-unknown-linux-musl ;; \
    esac > /target \
    && rustup target add "$(cat /target)"
WORKDIR /reshard
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/reshard/target \
    cargo build --release --locked --bin reshard --target "$(cat /target)" \
    && cp "target/$(cat /target)/release/reshard" /usr/local/bin/reshard \
    && ldd /usr/local/bin/reshard 2>&1 | grep --quiet --extended-regexp 'statically linked|not a dynamic executable'

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /usr/local/bin/reshard /reshard
# By number: that a user is not root is checked without /etc/passwd.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/reshard"]
CMD ["operator"]
