-- Roles for a warehouse, in the database that psql is connected to: one that can do what the pipeline needs and nothing
-- else, and one that may only read what it made. Run it as a superuser; to run it again changes passwords and grants what
-- has come since:
--
--     psql --no-psqlrc --set ON_ERROR_STOP=1 --file warehouse_roles.sql "host=… user=postgres dbname=warehouse"
--
-- Passwords come from CDP_WAREHOUSE_PASSWORD and CDP_READER_PASSWORD; without the latter there is no reader. The names
-- are cdp and cdp_reader, or CDP_WAREHOUSE_USER and CDP_READER_USER. Needs psql 15 or newer.
\set ON_ERROR_STOP on

\set writer cdp
\set writer_password ''
\set reader cdp_reader
\set reader_password ''
\getenv writer CDP_WAREHOUSE_USER
\getenv writer_password CDP_WAREHOUSE_PASSWORD
\getenv reader CDP_READER_USER
\getenv reader_password CDP_READER_PASSWORD

-- Passwords stand in the statements below; keep them out of the server's log.
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';

select :'writer_password' = '' as missing, :'reader_password' <> '' as with_reader \gset
\if :missing
  do $$ begin raise 'Set CDP_WAREHOUSE_PASSWORD: a role without a password is open to all.'; end $$;
\endif

select format('create role %I', :'writer')
where not exists (select from pg_catalog.pg_roles as r where r.rolname = :'writer')
\gexec
alter role :"writer" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'writer_password';
-- It makes schemas of its own and owns them, and needs temporary tables. A source table must be granted to it by name:
-- grant usage on schema raw to cdp; grant select on raw.contacts to cdp;
grant connect, create, temporary on database :"DBNAME" to :"writer";

\if :with_reader
  select format('create role %I', :'reader')
  where not exists (select from pg_catalog.pg_roles as r where r.rolname = :'reader')
  \gexec
  alter role :"reader" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'reader_password';
  alter role :"reader" set default_transaction_read_only = on;
  grant connect on database :"DBNAME" to :"reader";
  -- What the pipeline has made, and what it will make.
  select format('grant usage on schema %1$I to %2$I; grant select on all tables in schema %1$I to %2$I', n.nspname, :'reader')
  from pg_catalog.pg_namespace as n
  where pg_catalog.pg_get_userbyid(n.nspowner) = :'writer'
  \gexec
  -- But the key of the tombstones, by which an erased value could be told.
  select format('revoke all on table %I.erasure_secrets from %I', t.schemaname, :'reader')
  from pg_catalog.pg_tables as t
  where t.tablename = 'erasure_secrets' and t.tableowner = :'writer'
  \gexec
  alter default privileges for role :"writer" grant usage on schemas to :"reader";
  alter default privileges for role :"writer" grant select on tables to :"reader";
\endif
