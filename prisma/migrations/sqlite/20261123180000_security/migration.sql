ALTER TABLE "api_tokens" ADD COLUMN "scopes" TEXT CHECK (length("scopes") BETWEEN 1 AND 1000);
ALTER TABLE "api_tokens" ADD COLUMN "last_used_at" DATETIME;
ALTER TABLE "api_tokens" ADD COLUMN "expires_at" DATETIME;

ALTER TABLE "sessions" ADD COLUMN "previous_jti" TEXT;
ALTER TABLE "sessions" ADD COLUMN "refreshed_at" DATETIME;
ALTER TABLE "sessions" ADD COLUMN "user_agent" TEXT NOT NULL DEFAULT '' CHECK (length("user_agent") <= 500);
ALTER TABLE "sessions" ADD COLUMN "address" TEXT NOT NULL DEFAULT '' CHECK (length("address") <= 100);

CREATE TABLE "rate_limits" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "points" INTEGER NOT NULL,
    "expire" DATETIME
);

CREATE INDEX "rate_limits_expire_idx" ON "rate_limits"("expire");
