# syntax=docker/dockerfile:1

# The minor version is go.mod's; the newest patch of it comes with each build,
# because patches are security fixes. internal/lint holds the two together.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH make build VERSION="$VERSION"

FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Presently" \
      org.opencontainers.image.description="Who is here right now, and what are they doing, over plain HTTP" \
      org.opencontainers.image.source="https://github.com/presently/presently" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
# For https to a JWKS or a webhook, and rediss. Time zones are not needed: all
# times are UTC.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/dist/presently /presently
# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# There is no shell in here: the binary asks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/presently", "health"]
ENTRYPOINT ["/presently"]
