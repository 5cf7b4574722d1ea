-- The attempts of a task that have ended, but for the last one, whose members the task has itself. Both are empty where
-- the first attempt ends well.

ALTER TABLE task_service.tasks ADD COLUMN attempt_started_at timestamptz(3), ADD COLUMN history text;
