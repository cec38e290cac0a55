-- Up Migration

-- CockroachDB deletes expired device rows by itself. Written from its documentation; not run where this was developed.
ALTER TABLE presence SET (ttl_expiration_expression = 'expires_at', ttl_job_cron = '*/10 * * * *');

-- Down Migration

ALTER TABLE presence RESET (ttl);
