-- name: try_lock
select pg_try_advisory_lock(hashtext(%s));

-- name: unlock
select pg_advisory_unlock(hashtext(%s));

-- name: do_not_wait_long
-- A reader's long transaction must not hold up the live writer for longer than this.
set local lock_timeout = '10s';
