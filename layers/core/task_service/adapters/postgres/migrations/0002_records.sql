-- What the service keeps. Times have milliseconds, as in the places of a search; the database's clock decides.
-- A body is either a text in its record or the key of a row in `bodies`.

CREATE TABLE task_service.tasks (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    template text,
    request text,
    request_key text,
    cache_namespace text NOT NULL DEFAULT '',
    cache_scope text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('created', 'pending', 'done', 'failed', 'cancelled')),
    attempt integer NOT NULL,
    replay integer NOT NULL DEFAULT 0,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    not_before timestamptz(3),
    lease_until timestamptz(3),
    holder text,
    started_at timestamptz(3),
    finished_at timestamptz(3),
    response_code integer,
    redirects integer NOT NULL DEFAULT 0,
    final_origin text,
    result text,
    result_key text,
    error text,
    in_list boolean NOT NULL,
    -- The state that clients see: a task that waits for a retry is pending.
    shown_state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN state = 'created' AND started_at IS NOT NULL THEN 'pending' ELSE state END
    ) STORED
);

-- A search looks at the newest of each state that is asked for, of one name or of all. The condition on `replay` always
-- holds: a search for one name does not say it, and so cannot use the index that is not by name.
CREATE INDEX tasks_by_state ON task_service.tasks (shown_state, created_at, id) WHERE NOT in_list AND replay >= 0;
CREATE INDEX tasks_by_name ON task_service.tasks (name, shown_state, created_at, id) WHERE NOT in_list;
CREATE INDEX tasks_by_expiry ON task_service.tasks (expires_at);

CREATE TABLE task_service.lists (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    plan text,
    plan_key text,
    request text,
    request_key text,
    cache_namespace text NOT NULL,
    cache_scope text NOT NULL,
    state text NOT NULL CHECK (state IN ('created', 'done', 'failed', 'cancelled')),
    replay integer NOT NULL DEFAULT 0,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    finished_at timestamptz(3),
    has_started boolean NOT NULL DEFAULT false,
    shown_state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN state = 'created' AND has_started THEN 'pending' ELSE state END
    ) STORED
);

CREATE INDEX lists_by_state ON task_service.lists (shown_state, created_at, id) WHERE replay >= 0;
CREATE INDEX lists_by_name ON task_service.lists (name, shown_state, created_at, id);
CREATE INDEX lists_by_expiry ON task_service.lists (expires_at);

-- A group that has been started; `part` -1 is the group itself, the others are the chunks of a large group.
CREATE TABLE task_service.groups (
    list_id text COLLATE "C" NOT NULL,
    index integer NOT NULL,
    part integer NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'cancelled')),
    outstanding integer[] NOT NULL,
    failed integer[] NOT NULL DEFAULT '{}',
    failed_before boolean NOT NULL,
    starts_at integer NOT NULL DEFAULT 0,
    stopped_at integer,
    replay integer NOT NULL,
    result text,
    result_key text,
    error text,
    expires_at timestamptz(3) NOT NULL,
    PRIMARY KEY (list_id, index, part)
);

CREATE INDEX groups_by_expiry ON task_service.groups (expires_at);

CREATE TABLE task_service.idempotency_keys (
    key_hash text COLLATE "C" PRIMARY KEY,
    id text NOT NULL,
    fingerprint text NOT NULL,
    expires_at timestamptz(3) NOT NULL
);

CREATE INDEX idempotency_keys_by_expiry ON task_service.idempotency_keys (expires_at);

CREATE TABLE task_service.templates (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    document text NOT NULL,
    etag text NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE task_service.bodies (
    key text COLLATE "C" PRIMARY KEY,
    text text NOT NULL,
    stored_at timestamptz(3) NOT NULL
);

CREATE INDEX bodies_by_age ON task_service.bodies (stored_at);
