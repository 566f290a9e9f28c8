# The service alone: Node runs the TypeScript sources, so there is no build step.
FROM node:24.22.3-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/event-contract packages/event-contract
COPY packages/policy-format packages/policy-format
# No install script of a production dependency is needed. Of packages/ only the parts of the service are here, so that npm
# leaves out @assent/better-auth, and Better Auth with it. The optional dependencies are Node, which the image has.
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

FROM node:24.22.3-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY gen gen
# node_modules/@assent links to them.
COPY packages/event-contract packages/event-contract
COPY packages/policy-format packages/policy-format
COPY src src
USER node
EXPOSE 50051 8080
# In a container only other containers and what is published can reach the servers, so they listen on all addresses; the
# service refuses to start like this without caller tokens or client certificates.
ENV ASSENT_GRPC_ADDRESS=0.0.0.0:50051 ASSENT_HTTP_ADDRESS=0.0.0.0:8080
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself, not npm, so that SIGTERM reaches the service. The flag is that of `npm start`: docs/contribute/measuring.md says why.
CMD ["node", "--max-semi-space-size=4", "--import=./src/compile-cache.mjs", "src/main.ts"]
