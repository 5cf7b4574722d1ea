-- Groups whose messages take turns, so that a group with many of them does not hold up the others.

ALTER TABLE task_service.tasks ADD COLUMN queue_group text NOT NULL DEFAULT '';
ALTER TABLE task_service.lists ADD COLUMN queue_group text NOT NULL DEFAULT '';

CREATE INDEX task_service_tasks_turns
    ON pgmq.q_task_service_tasks ((COALESCE(headers ->> 'x-pgmq-group', ' ')), vt);

-- Receive up to `most` messages of the task queue: of each group as many, and then the oldest of those that are left.
-- PGMQ's own read_grouped_rr is not this: a group waits there while its first message is in a reader's hand or not due.
--
-- Groups are looked at in the order of their names, from `after_group` on, until enough of them have something due, at
-- most 50: a group costs one look into the index. `last_group` is where the next call goes on; empty: from the beginning.
-- Messages without a group are a group. The plan is kept, and is a good one whatever the table held when it was made: it
-- only uses the indexes.
CREATE FUNCTION task_service.receive_in_turn(most integer, visibility interval, after_group text)
RETURNS TABLE (msg_id bigint, read_ct integer, enqueued_at timestamptz, body text, last_group text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    -- Once, because an index is not used for what may differ from row to row.
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    WITH RECURSIVE
    looked AS (
        (
            SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt, 1 AS looks,
                (vt <= moment)::integer AS due
            FROM pgmq.q_task_service_tasks
            WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') > after_group
            ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
            LIMIT 1
        )
        UNION ALL
        SELECT following.name, following.vt, looked.looks + 1,
            looked.due + (following.vt <= moment)::integer
        FROM looked CROSS JOIN LATERAL (
            SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt
            FROM pgmq.q_task_service_tasks
            WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') > looked.name
            ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
            LIMIT 1
        ) AS following
        WHERE looked.due < most AND looked.looks < 50
    ),
    due AS (
        SELECT name, (most + count(*) OVER () - 1) / count(*) OVER () AS share
        FROM looked WHERE vt <= moment
    ),
    in_turn AS (
        SELECT message.msg_id FROM due CROSS JOIN LATERAL (
            SELECT msg_id FROM pgmq.q_task_service_tasks
            WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') = due.name AND vt <= moment
            ORDER BY vt LIMIT due.share
            FOR UPDATE SKIP LOCKED
        ) AS message
        LIMIT most
    ),
    oldest AS (
        SELECT msg_id FROM pgmq.q_task_service_tasks
        WHERE vt <= moment AND msg_id <> ALL (ARRAY(SELECT msg_id FROM in_turn))
        ORDER BY vt LIMIT most - (SELECT count(*) FROM in_turn)
        FOR UPDATE SKIP LOCKED
    ),
    ended AS (
        -- All groups have been looked at.
        SELECT max(due) < most AND max(looks) < 50 AS it_has, max(name) AS last FROM looked
    )
    UPDATE pgmq.q_task_service_tasks AS taken
    SET vt = moment + visibility, read_ct = read_ct + 1, last_read_at = moment
    WHERE msg_id = ANY (ARRAY(SELECT msg_id FROM in_turn UNION ALL SELECT msg_id FROM oldest))
    RETURNING msg_id, read_ct, enqueued_at, message #>> '{}',
        COALESCE((SELECT last FROM ended WHERE NOT it_has), '');
END
$$;
