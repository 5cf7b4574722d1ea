-- Where a task or a list comes from (`domain.context`), who cancelled or replayed it, and who changed a template.
-- Empty in nearly every row, which then takes no more room than before.

ALTER TABLE task_service.tasks ADD COLUMN context text, ADD COLUMN cancelled_by text, ADD COLUMN replayed_by text;
ALTER TABLE task_service.lists ADD COLUMN context text, ADD COLUMN cancelled_by text, ADD COLUMN replayed_by text;
ALTER TABLE task_service.templates ADD COLUMN changed_by text;
