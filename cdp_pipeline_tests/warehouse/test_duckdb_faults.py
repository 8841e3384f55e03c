"""Faults of DuckDB that the code works around; when one of these tests fails, the work-around can go."""

import duckdb


def test_rows_added_after_an_empty_ordered_result_are_lost() -> None:
    connection = duckdb.connect()
    connection.execute("create table nothing (a bigint)")
    connection.execute("create table many as select i as a from range(300000) as t(i)")
    nobody = "select distinct on (m.a) m.a from nothing as n join many as m on m.a = n.a order by m.a"
    connection.execute("begin")
    connection.execute(f"create temporary table filled as {nobody}")
    connection.execute("insert into filled select a from many")
    lost = connection.execute("select count(*) from filled").fetchall()
    connection.execute(f"create temporary table apart as {nobody}")
    connection.execute("create temporary table both_ as select a from apart union all select a from many")
    kept = connection.execute("select count(*) from both_").fetchall()
    assert (lost, kept) == ([(0,)], [(300_000,)])
