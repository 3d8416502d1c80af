# The image of every role of holdfast: the executable, the three libraries it needs, and nothing to log in to.
FROM rust:1.95-bookworm AS build
# What scripts/lib.sh's need_cc installs: Kafka's client is built from its source.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config zlib1g-dev libssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p holdfast
# Beside libc and libgcc, which the image below has; flat, because their folder is named after the processor.
RUN mkdir -p /out \
    && for library in libz.so.1 libssl.so.3 libcrypto.so.3; do \
         cp -L "$(ldd target/release/holdfast | awk -v name="$library" '$1 == name { print $3 }')" /out/; \
       done

# Debian 12's libc, libgcc and certificates, without a shell or a package manager.
FROM gcr.io/distroless/cc-debian12
COPY --from=build /out/ /usr/local/lib/holdfast/
COPY --from=build /src/target/release/holdfast /usr/local/bin/holdfast
ENV LD_LIBRARY_PATH=/usr/local/lib/holdfast
# Nobody in particular; docker-compose.yml names whoever may read the secrets.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/holdfast"]
