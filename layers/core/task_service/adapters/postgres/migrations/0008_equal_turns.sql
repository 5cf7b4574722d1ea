-- Turns go round: after the last group comes the first one again, within one look, and what cannot be divided among the
-- groups goes to other ones each time. Before, with six groups that all had much to do, the last one got nothing.

-- Receive up to `most` messages of the task queue: of each group as many, and then the oldest of those that are left.
-- PGMQ's own read_grouped_rr is not this: a group waits there while its first message is in a reader's hand or not due.
--
-- Groups are looked at in the order of their names, as on a ring, from the one after `after_group` on, until all have been,
-- or enough of them have something due, at most 50: a group costs two looks into the index. `last_group` is the one after
-- which the next call goes on. Messages without a group are a group. The plan is kept, and is a good one whatever the
-- table held when it was made: it only uses the indexes.
CREATE OR REPLACE FUNCTION task_service.receive_in_turn(most integer, visibility interval, after_group text)
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
        SELECT name, vt, has_wrapped, 1 AS looks, (vt <= moment)::integer AS due
        FROM (
            (
                SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt, false AS has_wrapped
                FROM pgmq.q_task_service_tasks
                WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') > after_group
                ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
                LIMIT 1
            )
            UNION ALL
            (
                SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt, true AS has_wrapped
                FROM pgmq.q_task_service_tasks
                ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
                LIMIT 1
            )
            ORDER BY has_wrapped LIMIT 1
        ) AS first
        UNION ALL
        SELECT following.name, following.vt, following.has_wrapped, looked.looks + 1,
            looked.due + (following.vt <= moment)::integer
        FROM looked CROSS JOIN LATERAL (
            (
                SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt, looked.has_wrapped
                FROM pgmq.q_task_service_tasks
                WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') > looked.name
                ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
                LIMIT 1
            )
            UNION ALL
            (
                SELECT COALESCE(headers ->> 'x-pgmq-group', ' ') AS name, vt, true AS has_wrapped
                FROM pgmq.q_task_service_tasks
                WHERE NOT looked.has_wrapped
                ORDER BY COALESCE(headers ->> 'x-pgmq-group', ' '), vt
                LIMIT 1
            )
            ORDER BY has_wrapped LIMIT 1
        ) AS following
        WHERE looked.due < most AND looked.looks < 50
            AND (NOT following.has_wrapped OR following.name <= after_group)
    ),
    due AS (
        SELECT name, row_number() OVER (ORDER BY looks) AS place, count(*) OVER () AS groups
        FROM looked WHERE vt <= moment
    ),
    in_turn AS (
        SELECT message.msg_id FROM due CROSS JOIN LATERAL (
            SELECT msg_id FROM pgmq.q_task_service_tasks
            WHERE COALESCE(headers ->> 'x-pgmq-group', ' ') = due.name AND vt <= moment
            -- The first ones share the rest of the division.
            ORDER BY vt LIMIT most / due.groups + (due.place <= most % due.groups)::integer
            FOR UPDATE SKIP LOCKED
        ) AS message
    ),
    oldest AS (
        SELECT msg_id FROM pgmq.q_task_service_tasks
        WHERE vt <= moment AND msg_id <> ALL (ARRAY(SELECT msg_id FROM in_turn))
        ORDER BY vt LIMIT most - (SELECT count(*) FROM in_turn)
        FOR UPDATE SKIP LOCKED
    ),
    ended AS (
        SELECT COALESCE(
            -- There may be more groups: the next call goes on with them.
            (SELECT name FROM looked WHERE due >= most OR looks >= 50),
            -- All groups have been looked at: the next rest is for the others.
            (SELECT name FROM due WHERE place = most % groups),
            after_group
        ) AS last
    )
    UPDATE pgmq.q_task_service_tasks AS taken
    SET vt = moment + visibility, read_ct = read_ct + 1, last_read_at = moment
    WHERE msg_id = ANY (ARRAY(SELECT msg_id FROM in_turn UNION ALL SELECT msg_id FROM oldest))
    RETURNING msg_id, read_ct, enqueued_at, message #>> '{}', (SELECT last FROM ended);
END
$$;
