"""Which table and column each name in a user's query means, by PostgreSQL's rules and on every engine alike.

Every column is written with its table, `*` as the columns that it stands for, and what stands in `group by` and
`order by` by name or number as the value itself. So no name is left that an engine could take for something else: what
was not given to be read cannot be read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.kinds import LITERAL, NULL, kind_of, type_of_kind
from cdp_pipeline.sql.table_functions import as_table, is_table_function

UNNAMED = "cdp_unnamed"
Columns = Mapping[str, str | None]


@dataclass(frozen=True)
class Relation:
    """Something with columns to read from.

    Attributes:
        columns: its columns' kinds by name; None when it is not known which it has.
        scalar: the column that the relation's own name means, as that of `jsonb_array_elements(…) as item` does.
    """

    columns: Columns | None
    scalar: str | None = None


@dataclass(frozen=True)
class Scope:
    """The relations that a name may come from, innermost query first."""

    relations: dict[str, Relation] = field(default_factory=dict)
    outer: "Scope | None" = None

    def chain(self) -> Iterator["Scope"]:
        """This query's and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer


class Reader:
    """Reads a query's names; `reads` gathers the given tables that it mentions."""

    def __init__(self, tables: Mapping[str, Columns | None]) -> None:
        self._tables = tables
        self.reads: set[str] = set()

    def query(self, node: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        """Writes out the names of a query, and tells the columns that it gives.

        Raises:
            SqlError: a name means nothing here, or more than one thing.
        """
        ctes = self._ctes(node, ctes, outer)
        if isinstance(node, exp.Subquery):
            relation = self.query(node.this, ctes, outer)
        elif isinstance(node, exp.SetOperation):
            relation = self._set_operation(node, ctes, outer)
        else:
            return _Select(self, node, ctes, outer).read()
        for part in _order_of(node):
            _write_as_name(part, relation)
        return relation

    def _ctes(self, node: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None) -> Mapping[str, Relation]:
        known = dict(ctes)
        for cte in node.args["with_"].expressions if node.args.get("with_") else []:
            name = cte.alias
            if name in self._tables or name in known:
                raise SqlError(f"The name `{name}` in `with` is taken.", "Give it another one.")
            known[name] = renamed(self.query(cte.this, known, outer), cte.args["alias"])
        return known

    def _set_operation(self, node: exp.SetOperation, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        left = self.query(node.this, ctes, outer)
        right = self.query(node.expression, ctes, outer)
        if left.columns is None or right.columns is None:
            return left
        if len(left.columns) != len(right.columns):
            raise SqlError(f"The sides of {node.key} have {len(left.columns)} and {len(right.columns)} columns.")
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        return Relation({name: kind if kind == other else None for (name, kind), other in pairs})

    def table(self, node: exp.Table, ctes: Mapping[str, Relation]) -> Relation:
        """The columns of a table that is mentioned by its name."""
        if node.name in ctes:
            return ctes[node.name]
        if node.name not in self._tables:
            raise SqlError(
                f"There is no table `{node.name}` here.", f"What can be read: {', '.join(self._tables) or 'nothing'}."
            )
        self.reads.add(node.name)
        return Relation(self._tables[node.name])


class _Select:
    """One SELECT with its scope."""

    def __init__(self, reader: Reader, node: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None) -> None:
        self._reader = reader
        self._node = node
        self._ctes = ctes
        self._scope = Scope({}, outer)

    def read(self) -> Relation:
        node = self._node
        for source in _sources_of(node):
            self._source(source)
        for join in node.args.get("joins") or []:
            if join.args.get("on"):
                self._names(join.args["on"])
        self._expand_stars()
        self._write_out("group")
        self._write_out("order")
        for clause in ("expressions", "where", "group", "having", "order", "distinct", "windows"):
            given = node.args.get(clause)
            for part in given if isinstance(given, list) else [given]:
                if isinstance(part, exp.Expr):
                    self._names(part)
        return Relation(self._columns())

    def _source(self, source: exp.Expr) -> None:
        name, relation = self._relation(source)
        if not name:
            raise SqlError(f"`{source.sql('postgres')[:80]}` has no name.", "Write `(…) as a_name`.")
        if name in self._scope.relations:
            raise SqlError(f"The name `{name}` stands twice in one `from`.", "Give each a name: base as a, base as b.")
        self._scope.relations[name] = relation

    def _relation(self, source: exp.Expr) -> tuple[str, Relation]:
        """The name of what stands in FROM, and its columns; a function becomes a query that means the same."""
        alias = source.args.get("alias")
        if is_table_function(source):
            self._names(source)
            written, columns, scalar = as_table(source)
            source.replace(written)
            return written.alias, Relation(columns, scalar)
        if isinstance(source, exp.Table):
            relation = renamed(self._reader.table(source, self._ctes), alias)
            return source.alias_or_name, relation
        lateral = isinstance(source, exp.Lateral)
        query = source.this if lateral else source
        if not isinstance(query, exp.Subquery):
            raise SqlError(f"`{source.sql('postgres')[:80]}` cannot be read from.")
        relation = self._reader.query(query, self._ctes, self._scope if lateral else self._scope.outer)
        return source.alias, renamed(relation, alias)

    def _names(self, node: exp.Expr) -> None:
        """Writes out the names below a node."""
        if isinstance(node, exp.Query):
            self._reader.query(node, self._ctes, self._scope)
        elif isinstance(node, exp.Column):
            self._column(node)
        else:
            for child in list(node.iter_expressions()):
                self._names(child)

    def _column(self, node: exp.Column) -> None:
        name = node.name
        for scope in self._scope.chain():
            found = [
                (table, relation)
                for table, relation in scope.relations.items()
                if node.table in ("", table) and (relation.columns is None or name in relation.columns)
            ]
            if len(found) > 1 and any(relation.columns is None for _, relation in found):
                return
            if len(found) > 1:
                tables = " and ".join(table for table, _ in found)
                raise SqlError(f"`{name}` is a column of {tables}.", f"Write {found[0][0]}.{name}, for example.")
            if found:
                table, relation = found[0]
                _write(node, name, table, None if relation.columns is None else relation.columns[name])
                return
            relation = scope.relations.get(name, Relation({}))
            if relation.scalar is not None and not node.table:
                _write(node, relation.scalar, name, (relation.columns or {})[relation.scalar])
                return
        known = [
            f"{t}.{c}" for scope in self._scope.chain() for t, r in scope.relations.items() for c in r.columns or ()
        ]
        what = ".".join(filter(None, (node.table, name)))
        raise SqlError(f"There is no column `{what}` here.", f"What can be read: {', '.join(known) or 'nothing'}.")

    def _expand_stars(self) -> None:
        node = self._node
        written: list[exp.Expr] = []
        for projection in node.expressions:
            written += self._starred(projection) if _is_star(projection) else [projection]
        node.set("expressions", written)

    def _starred(self, star: exp.Expr) -> list[exp.Expr]:
        tables = [star.table] if isinstance(star, exp.Column) else list(self._scope.relations)
        if not tables or any(table not in self._scope.relations for table in tables):
            raise SqlError(f"`{star.sql('postgres')}` stands for nothing here.")
        columns = [(table, self._scope.relations[table].columns) for table in tables]
        if any(of is None for _, of in columns):
            return [star]
        return [exp.column(name, table=table, quoted=True) for table, of in columns for name in of or ()]

    def _write_out(self, clause: str) -> None:
        """Puts a projection's own value where GROUP BY or ORDER BY gives its number or its name."""
        given = self._node.args.get(clause)
        for part in list(given.expressions) if given is not None else []:
            value = part.this if isinstance(part, exp.Ordered) else part
            projection = self._projection(value, clause)
            if projection is not None:
                value.replace(projection.unalias().copy())

    def _projection(self, value: exp.Expr, clause: str) -> exp.Expr | None:
        projections = self._node.expressions
        if isinstance(value, exp.Literal) and not value.is_string:
            if not value.name.isdecimal() or not 1 <= int(value.name) <= len(projections):
                raise SqlError(f"There is no column {value.name} to {clause} by.")
            found: exp.Expr = projections[int(value.name) - 1]
            return found
        if not isinstance(value, exp.Column) or value.table:
            return None
        if clause == "group" and any(value.name in (r.columns or ()) for r in self._scope.relations.values()):
            return None
        named = [p for p in projections if isinstance(p, exp.Alias) and p.alias == value.name]
        return named[0] if len(named) == 1 else None

    def _columns(self) -> Columns | None:
        """The names and kinds of what the query gives; each gets a name."""
        columns: dict[str, str | None] = {}
        for number, projection in enumerate(list(self._node.expressions)):
            if _is_star(projection):
                return None
            if not isinstance(projection, exp.Alias):
                name = projection.name if isinstance(projection, exp.Column) else f"{UNNAMED}_{number}"
                projection.replace(exp.alias_(projection.copy(), name, quoted=True))
            name = self._node.expressions[number].alias
            if name in columns:
                raise SqlError(f"Two columns are named `{name}`.", "Name one of them: … as another_name.")
            kind = kind_of(projection)
            columns[name] = "text" if kind in (LITERAL, NULL) else kind
        return columns


def renamed(relation: Relation, alias: exp.Expr | None) -> Relation:
    """The relation with the names that `as t (a, b)` gives its columns."""
    names = [name.name for name in alias.args.get("columns") or []] if alias is not None else []
    if not names or relation.columns is None:
        return relation
    if len(names) > len(relation.columns):
        raise SqlError(f"`{alias.sql('postgres') if alias else ''}` names more columns than there are.")
    rest = list(relation.columns)[len(names) :]
    return Relation(dict(zip([*names, *rest], relation.columns.values(), strict=True)))


def _is_star(projection: exp.Expr) -> bool:
    return isinstance(projection, exp.Star) or (
        isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
    )


def _sources_of(node: exp.Expr) -> list[exp.Expr]:
    first = [node.args["from_"].this] if node.args.get("from_") else []
    return [*first, *(join.this for join in node.args.get("joins") or [])]


def _order_of(node: exp.Expr) -> list[exp.Expr]:
    return list(node.args["order"].expressions) if node.args.get("order") else []


def _write_as_name(part: exp.Expr, relation: Relation) -> None:
    """Writes what the rows of a whole query are ordered by as the name of one of its columns."""
    if relation.columns is None:
        return
    names, value = list(relation.columns), part.this
    if isinstance(value, exp.Literal) and value.name.isdecimal() and 1 <= int(value.name) <= len(names):
        name = names[int(value.name) - 1]
    elif isinstance(value, exp.Column) and not value.table and value.name in names:
        name = value.name
    else:
        raise SqlError(f"`{value.sql('postgres')}` is no column of the query.", f"Order by: {', '.join(names)}.")
    column = exp.column(name, quoted=True)
    column.type = type_of_kind(relation.columns[name])
    value.replace(column)


def _write(node: exp.Column, name: str, table: str, kind: str | None) -> None:
    node.set("this", exp.to_identifier(name, quoted=True))
    node.set("table", exp.to_identifier(table, quoted=True))
    node.type = type_of_kind(kind)
