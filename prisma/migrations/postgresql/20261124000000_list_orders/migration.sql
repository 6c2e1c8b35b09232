-- Each order of a list, of one owner and of all.
CREATE INDEX "todos_owner_id_updated_at_id_idx" ON "todos"("owner_id", "updated_at", "id");
CREATE INDEX "todos_owner_id_title_id_idx" ON "todos"("owner_id", "title", "id");
CREATE INDEX "todos_updated_at_id_idx" ON "todos"("updated_at", "id");
CREATE INDEX "todos_title_id_idx" ON "todos"("title", "id");
