-- name: append
select audit.append(%s::jsonb);

-- name: trouble
select audit.trouble();

-- name: set_limits
update audit.pulse set numbering_limit = %s, signing_limit = %s, witness_limit = %s;
