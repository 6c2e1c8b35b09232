-- Each order of a list, of one owner and of all. SQLite adds the id to each by itself; named, it would
-- not be used to find a place among equals.
CREATE INDEX "todos_owner_id_updated_at_idx" ON "todos"("owner_id", "updated_at");
CREATE INDEX "todos_owner_id_title_idx" ON "todos"("owner_id", "title");
CREATE INDEX "todos_updated_at_idx" ON "todos"("updated_at");
CREATE INDEX "todos_title_idx" ON "todos"("title");
