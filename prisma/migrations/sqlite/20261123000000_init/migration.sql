-- Times are ISO 8601 in UTC with milliseconds, as Prisma's adapter writes them.

CREATE TABLE "users" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "username" TEXT NOT NULL CHECK (length("username") BETWEEN 1 AND 150 AND instr("username", char(0)) = 0),
    "email" TEXT NOT NULL DEFAULT '' CHECK (length("email") <= 254),
    "password" TEXT NOT NULL,
    "is_active" BOOLEAN NOT NULL DEFAULT true CHECK ("is_active" IN (0, 1)),
    "is_superuser" BOOLEAN NOT NULL DEFAULT false CHECK ("is_superuser" IN (0, 1)),
    "date_joined" DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    "last_login" DATETIME
);

CREATE UNIQUE INDEX "users_username_key" ON "users"("username");

CREATE TABLE "api_tokens" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "user_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL CHECK (length("name") BETWEEN 1 AND 100),
    "digest" TEXT NOT NULL CHECK (length("digest") = 64),
    "nonce" TEXT,
    "created_at" DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    CONSTRAINT "api_tokens_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE UNIQUE INDEX "api_tokens_digest_key" ON "api_tokens"("digest");
CREATE INDEX "api_tokens_user_id_idx" ON "api_tokens"("user_id");
-- A user has one default token, the one that is derived from a nonce.
CREATE UNIQUE INDEX "api_tokens_default_key" ON "api_tokens"("user_id") WHERE "nonce" IS NOT NULL;

CREATE TABLE "sessions" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "user_id" INTEGER NOT NULL,
    "refresh_jti" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    "expires_at" DATETIME NOT NULL,
    CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

CREATE TABLE "todos" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "title" TEXT NOT NULL CHECK (length("title") BETWEEN 1 AND 100 AND instr("title", char(0)) = 0),
    "body" TEXT NOT NULL DEFAULT '' CHECK (length("body") <= 10000 AND instr("body", char(0)) = 0),
    "is_completed" BOOLEAN NOT NULL DEFAULT false CHECK ("is_completed" IN (0, 1)),
    "date_created" TEXT NOT NULL CHECK ("date_created" IS date("date_created") AND "date_created" > '0001'),
    "created_at" DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    "updated_at" DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    "version" INTEGER NOT NULL DEFAULT 1 CHECK ("version" >= 1),
    CONSTRAINT "todos_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX "todos_owner_id_id_idx" ON "todos"("owner_id", "id");
