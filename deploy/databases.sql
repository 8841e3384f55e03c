-- Two databases on one server that only their own roles may enter: Dagster's storage with its role, and the warehouse,
-- whose roles warehouse_roles.sql makes. Run it as a superuser; to run it again changes the password and nothing else:
--
--     psql --no-psqlrc --set ON_ERROR_STOP=1 --file databases.sql "host=… user=postgres dbname=postgres"
--
-- The password comes from CDP_DAGSTER_PG_PASSWORD. The names are dagster, dagster and warehouse, or CDP_DAGSTER_PG_DB,
-- CDP_DAGSTER_PG_USER and CDP_WAREHOUSE_DB. Needs psql 15 or newer.
\set ON_ERROR_STOP on

\set dagster_db dagster
\set dagster_user dagster
\set dagster_password ''
\set warehouse_db warehouse
\getenv dagster_db CDP_DAGSTER_PG_DB
\getenv dagster_user CDP_DAGSTER_PG_USER
\getenv dagster_password CDP_DAGSTER_PG_PASSWORD
\getenv warehouse_db CDP_WAREHOUSE_DB

-- The password stands in a statement below; keep it out of the server's log.
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';

select :'dagster_password' = '' as missing \gset
\if :missing
  do $$ begin raise 'Set CDP_DAGSTER_PG_PASSWORD: a role without a password is open to all.'; end $$;
\endif

select format('create role %I', :'dagster_user')
where not exists (select from pg_catalog.pg_roles as r where r.rolname = :'dagster_user')
\gexec
alter role :"dagster_user" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'dagster_password';

select format('create database %I encoding ''UTF8'' template template0', name)
from (values (:'dagster_db'), (:'warehouse_db')) as wanted (name)
where not exists (select from pg_catalog.pg_database as d where d.datname = wanted.name)
\gexec
revoke all on database :"dagster_db", :"warehouse_db" from public;

-- Dagster makes its tables in the schema public of its own database, and needs nothing else.
grant connect on database :"dagster_db" to :"dagster_user";
\connect :"dagster_db"
grant usage, create on schema public to :"dagster_user";
