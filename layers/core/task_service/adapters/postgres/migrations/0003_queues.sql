-- The queues, by PGMQ. A message is written twice and deleted within seconds, so what is dead is removed after a fixed
-- number of rows and at full speed; a share of a table that is nearly always empty would say nothing.

SELECT pgmq.create(name)
FROM unnest(ARRAY[
    'task_service_tasks', 'task_service_dead_letters', 'task_service_unreadable', 'task_service_events',
    'task_service_dead_events'
]) AS name;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tasks', 'dead_letters', 'unreadable', 'events', 'dead_events'] LOOP
        EXECUTE format(
            'ALTER TABLE pgmq.%I SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, '
            'autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, '
            'autovacuum_analyze_threshold = 1000)',
            'q_task_service_' || name
        );
    END LOOP;
END
$$;
