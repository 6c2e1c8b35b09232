ARG NODE_VERSION=24.21.0

# What the service needs to run. No script of a package is run: nothing has to be compiled or fetched.
FROM node:${NODE_VERSION}-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages packages
RUN npm ci --omit=dev --ignore-scripts

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages packages
RUN npm ci --ignore-scripts
COPY . .
RUN npm run generate && npm run build

FROM node:${NODE_VERSION}-slim
# All other settings have their defaults, so that a file that is mounted at /app/.env can set them.
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY package.json prisma.config.ts ./
COPY bin bin
COPY packages packages
COPY prisma prisma
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist/src dist/src
COPY --from=build /app/dist/plugins dist/plugins
COPY --from=build /app/dist/routes dist/routes
# The image's user "node", by number, so that an orchestrator can see that it is not root.
RUN mkdir /data && chown 1000:1000 /data && ln -s /data data
USER 1000:1000
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "--env-file-if-exists=/app/.env", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8000) + '/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=4", "--single-threaded-gc", "/app/bin/todo-api.js"]
CMD ["serve"]
