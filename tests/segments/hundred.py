"""The hundred segments of `src/hundred` on DuckDB, native tables: hundred.py FOLDER

Writes one JSON object: milliseconds of each round, and the members by count and sum of ids. Needs
`pip install duckdb numpy`. The queries are written by hand for DuckDB, and not from the portable statements: it is to be
given its best."""

import json
import pathlib
import sys
import time

import duckdb
import numpy


def main():
    folder = pathlib.Path(sys.argv[1])
    told = json.loads((folder / "rules.json").read_text(encoding="utf-8"))
    connection = duckdb.connect()
    connection.execute(f"SET threads = {told['threads']}")
    load(connection, folder)
    rules, counters, rounds = told["rules"], told["counters"], told["rounds"]

    texts, codes = Layout("event", text), Layout("event_clustered", code)
    found = {
        "version": duckdb.__version__,
        "one_by_one_ms": [],
        "one_by_one_clustered_ms": [],
        "shared_ms": [],
        "shared_clustered_ms": [],
        "alone_ms": [],
    }
    singles = {layout: [single(rule, counters, layout) for rule in rules] for layout in (texts, codes)}
    # Once before, so that what is cached is.
    found["members"] = [members(connection, query) for query in singles[codes]]
    answers = {layout: shared(connection, rules, counters, layout) for layout in (texts, codes)}
    found["members_shared"] = answers[codes][1]
    if answers[texts][1] != answers[codes][1]:
        sys.exit("the layouts answer differently")
    for _ in range(rounds):
        for name, layout in (("", texts), ("_clustered", codes)):
            found[f"one_by_one{name}_ms"].append(sum(timed(connection, query) for query in singles[layout]))
            found[f"shared{name}_ms"].append(shared(connection, rules, counters, layout)[0])
    found["alone_ms"] = [min(timed(connection, query) for _ in range(3)) for query in singles[codes]]
    json.dump(found, sys.stdout)


class Layout:
    def __init__(self, events, literal):
        self.events = events
        self.suffix = "" if literal is text else "_code"
        self.literal = literal


def text(name, number):
    return f"'{name}-{number}'"


def code(_name, number):
    return str(number)


def load(connection, folder):
    """Every table has its texts and their codes, so that both layouts ask the same small tables."""
    tables = {
        "person": ["department", "country", "score"],
        "account": ["industry", "employees"],
        "opportunity": ["stage", "closed", "quantity"],
        "works_at": ["person", "account"],
        "role_in": ["person", "opportunity"],
        "event": ["person", "type", "page", "time"],
    }
    worded = {"department", "country", "industry", "stage", "type", "page"}
    for table, columns in tables.items():
        arrays = {name: numpy.load(folder / f"{table}.{name}.npy") for name in columns}
        arrays["_id"] = numpy.arange(len(arrays[columns[0]]), dtype=numpy.int64)
        connection.register("given", arrays)
        chosen = [f"'{name}-' || {name} AS {name}, {name} AS {name}_code" if name in worded else name for name in columns]
        if table == "event":
            connection.execute("CREATE TABLE event_clustered AS SELECT person, type AS type_code, page AS page_code, time FROM given")
            connection.execute(
                "CREATE TABLE event AS SELECT person, 'type-' || type AS type, 'page-' || page AS page, time FROM given ORDER BY time"
            )
        else:
            connection.execute(f"CREATE TABLE {table} AS SELECT _id, {', '.join(chosen)} FROM given")
        connection.unregister("given")


def counted(counter, layout):
    """The condition on one event."""
    asked = [f"type{layout.suffix} = {layout.literal('type', counter['kind'])}", f"time >= {counter['since']}"]
    if counter["page"] is not None:
        asked.append(f"page{layout.suffix} = {layout.literal('page', counter['page'])}")
    return " AND ".join(asked)


def of_person(rule, layout):
    asked = []
    for name in ("department", "country"):
        if rule[name] is not None:
            asked.append(f"p.{name}{layout.suffix} = {layout.literal(name, rule[name])}")
    if rule["score_over"] is not None:
        asked.append(f"p.score > {rule['score_over']}")
    return asked


def of_account(account, layout):
    return f"a.industry{layout.suffix} = {layout.literal('industry', account[0])} AND a.employees > {account[1]}"


def of_opportunity(opportunity, layout):
    stage = f"o.stage{layout.suffix} = {layout.literal('stage', opportunity[0])}"
    return f"o.closed = 0 AND {stage} AND o.quantity > {opportunity[1]}"


def single(rule, counters, layout):
    """One segment as one query."""
    asked = of_person(rule, layout)
    counter = counted(counters[rule["counter"]], layout)
    asked.append(
        f"p._id IN (SELECT person FROM {layout.events} WHERE {counter} GROUP BY person HAVING count(*) >= {rule['at_least']})"
    )
    if rule["account"]:
        condition = of_account(rule["account"], layout)
        asked.append(f"p._id IN (SELECT w.person FROM works_at w JOIN account a ON a._id = w.account WHERE {condition})")
    if rule["opportunity"]:
        condition = of_opportunity(rule["opportunity"], layout)
        asked.append(
            f"p._id IN (SELECT r.person FROM role_in r JOIN opportunity o ON o._id = r.opportunity WHERE {condition})"
        )
    return f"SELECT p._id FROM person p WHERE {' AND '.join(asked)}"


def timed(connection, query):
    """The members are made a table inside: nothing goes through Python."""
    began = time.perf_counter()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE members AS {query}")
    return (time.perf_counter() - began) * 1000


def members(connection, query):
    return connection.execute(f"SELECT count(*), coalesce(sum(_id), 0)::BIGINT FROM ({query})").fetchone()


def shared(connection, rules, counters, layout):
    """All segments as one query: each counter and each flag once, the answers as bits of 64-bit words."""
    columns = [f"sum(CASE WHEN {counted(counter, layout)} THEN 1 ELSE 0 END) AS c{n}" for n, counter in enumerate(counters)]
    of_accounts = sorted({tuple(rule["account"]) for rule in rules if rule["account"]})
    of_deals = sorted({tuple(rule["opportunity"]) for rule in rules if rule["opportunity"]})
    accounts = [f"bool_or({of_account(account, layout)}) AS f{n}" for n, account in enumerate(of_accounts)]
    deals = [f"bool_or({of_opportunity(deal, layout)}) AS g{n}" for n, deal in enumerate(of_deals)]
    words = [[] for _ in range((len(rules) + 62) // 63)]
    for n, rule in enumerate(rules):
        asked = of_person(rule, layout) + [f"e.c{rule['counter']} >= {rule['at_least']}"]
        if rule["account"]:
            asked.append(f"f.f{of_accounts.index(tuple(rule['account']))}")
        if rule["opportunity"]:
            asked.append(f"g.g{of_deals.index(tuple(rule['opportunity']))}")
        words[n // 63].append(f"CASE WHEN {' AND '.join(asked)} THEN {1 << n % 63} ELSE 0 END")
    answers = ", ".join(f"({' + '.join(word)})::BIGINT AS w{n}" for n, word in enumerate(words))
    query = f"""CREATE OR REPLACE TEMP TABLE answers AS
        WITH e AS (SELECT person, {', '.join(columns)} FROM {layout.events} GROUP BY person),
        f AS (SELECT w.person, {', '.join(accounts) or 'true'} FROM works_at w JOIN account a ON a._id = w.account GROUP BY w.person),
        g AS (SELECT r.person, {', '.join(deals) or 'true'} FROM role_in r JOIN opportunity o ON o._id = r.opportunity GROUP BY r.person)
        SELECT p._id, {answers} FROM person p JOIN e ON e.person = p._id
        LEFT JOIN f ON f.person = p._id LEFT JOIN g ON g.person = p._id"""
    began = time.perf_counter()
    connection.execute(query)
    took = (time.perf_counter() - began) * 1000
    counts = [
        connection.execute(
            f"SELECT count(*), coalesce(sum(_id), 0)::BIGINT FROM answers WHERE (w{n // 63} & {1 << n % 63}) <> 0"
        ).fetchone()
        for n in range(len(rules))
    ]
    return took, counts


main()
