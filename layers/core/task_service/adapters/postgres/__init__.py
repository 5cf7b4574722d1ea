"""The ports on PostgreSQL: records in tables of the schema `task_service`, queues by PGMQ.

The database's clock decides (`clock`). Every statement says what it needs itself and leaves nothing behind in its
connection, so PgBouncer may give each transaction another one; only LISTEN needs a connection of its own (`listener`).
"""
