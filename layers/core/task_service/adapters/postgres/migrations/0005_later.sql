-- Lists that start later. Tasks have their column from the beginning, for retries.

ALTER TABLE task_service.lists ADD COLUMN not_before timestamptz(3);
