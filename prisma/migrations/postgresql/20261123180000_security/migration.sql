ALTER TABLE "api_tokens" ADD COLUMN "scopes" TEXT COLLATE "C" CHECK (char_length("scopes") BETWEEN 1 AND 1000);
ALTER TABLE "api_tokens" ADD COLUMN "last_used_at" TIMESTAMP(3);
ALTER TABLE "api_tokens" ADD COLUMN "expires_at" TIMESTAMP(3);

ALTER TABLE "sessions" ADD COLUMN "previous_jti" TEXT;
ALTER TABLE "sessions" ADD COLUMN "refreshed_at" TIMESTAMP(3);
ALTER TABLE "sessions" ADD COLUMN "user_agent" TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length("user_agent") <= 500);
ALTER TABLE "sessions" ADD COLUMN "address" TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length("address") <= 100);

CREATE TABLE "rate_limits" (
    "key" TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    "points" INTEGER NOT NULL,
    "expire" TIMESTAMP(3)
);

CREATE INDEX "rate_limits_expire_idx" ON "rate_limits"("expire");
