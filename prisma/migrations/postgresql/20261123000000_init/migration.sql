-- Text is compared by code points, as in SQLite, whatever the database's collation is. Times are in UTC,
-- as Prisma's adapter takes and gives them, whatever the server's time zone is.

CREATE TABLE "users" (
    "id" SERIAL NOT NULL,
    "username" TEXT COLLATE "C" NOT NULL CHECK (char_length("username") BETWEEN 1 AND 150),
    "email" TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length("email") <= 254),
    "password" TEXT NOT NULL,
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "is_superuser" BOOLEAN NOT NULL DEFAULT false,
    "date_joined" TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    "last_login" TIMESTAMP(3),
    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "users_username_key" ON "users"("username");

CREATE TABLE "api_tokens" (
    "id" SERIAL NOT NULL,
    "user_id" INTEGER NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL CHECK (char_length("name") BETWEEN 1 AND 100),
    "digest" TEXT COLLATE "C" NOT NULL CHECK (char_length("digest") = 64),
    "nonce" TEXT,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    CONSTRAINT "api_tokens_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "api_tokens_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE UNIQUE INDEX "api_tokens_digest_key" ON "api_tokens"("digest");
CREATE INDEX "api_tokens_user_id_idx" ON "api_tokens"("user_id");
-- A user has one default token, the one that is derived from a nonce.
CREATE UNIQUE INDEX "api_tokens_default_key" ON "api_tokens"("user_id") WHERE "nonce" IS NOT NULL;

CREATE TABLE "sessions" (
    "id" TEXT COLLATE "C" NOT NULL,
    "user_id" INTEGER NOT NULL,
    "refresh_jti" TEXT NOT NULL,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    "expires_at" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

CREATE TABLE "todos" (
    "id" SERIAL NOT NULL,
    "owner_id" INTEGER NOT NULL,
    "title" TEXT COLLATE "C" NOT NULL CHECK (char_length("title") BETWEEN 1 AND 100),
    "body" TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length("body") <= 10000),
    "is_completed" BOOLEAN NOT NULL DEFAULT false,
    "date_created" TEXT COLLATE "C" NOT NULL CHECK (
        "date_created" ~ '^\d{4}-\d\d-\d\d$'
        AND make_date(substr("date_created", 1, 4)::int, substr("date_created", 6, 2)::int, substr("date_created", 9, 2)::int) IS NOT NULL
    ),
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    "updated_at" TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    "version" INTEGER NOT NULL DEFAULT 1 CHECK ("version" >= 1),
    CONSTRAINT "todos_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "todos_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX "todos_owner_id_id_idx" ON "todos"("owner_id", "id");
