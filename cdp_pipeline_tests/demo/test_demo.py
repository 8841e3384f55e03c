"""The demo's files hold the stories that the example is there to tell, and the truth about them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import networkx as nx
import pytest

from cdp_pipeline.demo import DemoFacts, estimate_people, generate
from cdp_pipeline_tests.demo.landed import Landed, Row, read, truth

START = date(2026, 1, 1)
PEOPLE, DAYS = 400, 30
JUNK = {"", "test@test.com", "unknown", "null", "n/a", "undefined"}
COUNTER = "info@shop.example"  # what clerks type for those who give no e-mail

Shop = tuple[DemoFacts, Landed, dict[tuple[str, str], int]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    facts = generate(folder, people=PEOPLE, days=DAYS, start=START, seed=7)
    return facts, read(folder), dict(truth(folder))


def small(folder: Path, seed: int) -> dict[str, bytes]:
    generate(folder, people=40, days=4, start=START, seed=seed)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = small(tmp_path / "a", seed=1)
    assert first == small(tmp_path / "b", seed=1)
    assert len(first) == 4 * 4 + 1 + sum("part-1" in name for name in first)


def test_another_seed_gives_other_rows(tmp_path: Path) -> None:
    first, second = small(tmp_path / "a", seed=1), small(tmp_path / "b", seed=2)
    assert all(first[name] != second[name] for name in first.keys() & second.keys() if "/web/" in name)


def test_the_facts_are_what_lies_in_the_files(shop: Shop) -> None:
    facts, landed, _ = shop
    good = {(row.source, row.id) for row in landed.rows}
    rows = Counter(row.source for row in landed.rows) + Counter(source for source, _ in landed.broken)
    rows["web"] += landed.filtered
    late = [row for row in firsts(landed.rows) if str(max(START, row.at.date())) < row.arrived]
    assert facts == DemoFacts(
        people=PEOPLE,
        events=len(good),
        rows=dict(rows),
        duplicates=len(landed.rows) - len(good),
        broken=len(landed.broken),
        filtered=landed.filtered,
        late=len(late),
    )
    assert sum(facts.rows.values()) == facts.events + facts.duplicates + facts.broken + facts.filtered


def test_the_truth_names_each_good_event_once(shop: Shop, tmp_path: Path) -> None:
    _, landed, people = shop
    assert people.keys() == {(row.source, row.id) for row in landed.rows}
    generate(tmp_path, people=60, days=6, start=START, seed=3)
    listed = [event for event, _ in truth(tmp_path)]
    assert len(listed) == len(set(listed))


def test_duplicates_are_exact_and_come_on_the_same_day_and_on_another(shop: Shop) -> None:
    copies = [rows for rows in groups(shop[1].rows).values() if len(rows) > 1]
    assert all(row.fields == rows[0].fields and row.at == rows[0].at for rows in copies for row in rows)
    assert any(rows[0].arrived == rows[1].arrived for rows in copies)
    assert any(rows[0].arrived != rows[1].arrived for rows in copies)


def test_rows_and_a_whole_file_come_late(shop: Shop) -> None:
    _, landed, _ = shop
    delays = Counter((date.fromisoformat(row.arrived) - row.at.date()).days for row in firsts(landed.of("web")))
    assert delays[0] > 20 * delays[1] > 0
    assert max(delays) > 3
    outage = [row for row in landed.of("web") if row.place == "part-1.ndjson.gz"]
    assert {row.arrived for row in outage} == {str(START + timedelta(DAYS // 3 + 2))}
    assert {row.at.hour for row in outage} == {13, 14}


def test_rows_are_broken_in_every_way(shop: Shop) -> None:
    expected = {
        "web": {"syntax", "no id", "no type", "no time", "future", "no object", "zero byte"},
        "app": {"no id", "no type", "no time", "future"},
        "crm": {"syntax", "no id", "no time"},
        "support": {"syntax", "no id", "no time"},
    }
    for source, reasons in expected.items():
        assert {reason for where, reason in shop[1].broken if where == source} == reasons


def test_a_robot_logs_in_as_everybody_and_can_be_filtered_out(shop: Shop) -> None:
    assert shop[1].filtered >= DAYS
    assert not any(row.fields.get("anonymous_id") == "robot" for row in shop[1].rows)


def test_people_have_several_devices(shop: Shop) -> None:
    _, landed, people = shop
    cookies, apps = defaultdict(set), set()
    for row in landed.of("web"):
        cookies[people[row.source, row.id]].add(row.fields["anonymous_id"])
    for row in landed.of("app"):
        apps.add(people[row.source, row.id])
    assert any(len(known) >= 3 for known in cookies.values())
    assert len([person for person in apps if len(cookies[person]) >= 2]) > PEOPLE // 20


def test_visitors_browse_before_they_log_in_some_for_weeks_and_some_never_do(shop: Shop) -> None:
    _, landed, people = shop
    waited, known = [], set()
    for rows in by(landed.of("web"), "anonymous_id").values():
        logged_in = [row.at for row in rows if (row.fields.get("user_id") or "").startswith("C")]
        if logged_in:
            waited.append((min(logged_in) - min(row.at for row in rows)).days)
            known |= {people[row.source, row.id] for row in rows}
    assert len([days for days in waited if days >= 1]) > 10
    assert max(waited) >= 14
    assert len({people[row.source, row.id] for row in landed.of("web")} - known) > PEOPLE // 5


def test_a_few_tablets_have_two_users_on_one_day_or_another(shop: Shop) -> None:
    _, landed, people = shop
    users = {
        cookie: {people[row.source, row.id] for row in rows}
        for cookie, rows in by(landed.of("web"), "anonymous_id").items()
    }
    shared = [cookie for cookie, who in users.items() if len(who) > 1]
    assert 0 < len(shared) < len(users) // 50
    assert all(len(users[cookie]) == 2 for cookie in shared)
    logged_in = {row.fields.get("user_id") for row in landed.of("web") if row.fields["anonymous_id"] in shared}
    assert len(logged_in - {None, "undefined"}) > len(shared)


def test_a_few_emails_are_shared_and_some_are_junk(shop: Shop) -> None:
    _, landed, people = shop
    contacts = [row for row in landed.of("crm") if row.fields["status"] != "test"]
    owners = defaultdict(set)
    for row in contacts:
        owners[row.fields["email"].strip().lower()].add(people[row.source, row.id])
    shared = {email for email, who in owners.items() if len(who) > 1} - JUNK - {COUNTER}
    assert 0 < len(shared) < PEOPLE // 20
    typed = {row.fields["user"]["email"] for row in landed.of("web") if "user" in row.fields}
    assert {email for email in typed if email.strip().lower() in JUNK}
    assert {email for email in typed if email != email.strip().lower()} - JUNK
    assert len({row.fields["email"] for row in contacts} & JUNK) >= 3


def test_the_counters_email_stands_at_more_customers_than_a_person_has_of_anything(shop: Shop) -> None:
    _, landed, people = shop
    strangers, own = set(), defaultdict(set)
    for row in landed.rows:
        if row.fields.get("email") == COUNTER:
            strangers.add(people[row.source, row.id])
        own[people[row.source, row.id]].add(row.fields.get("anonymous_id"))
    assert len(strangers) > 12 > max(len(cookies) for cookies in own.values())
    logged_in = {people[row.source, row.id] for row in landed.of("web", "login")}
    assert strangers & logged_in, "the shop gets to know some of them by their own e-mail"


def test_an_email_moves_from_one_customer_to_another_who_has_it_from_then_on(shop: Shop) -> None:
    _, landed, people = shop
    holders, newest = defaultdict(list), {}
    for row in sorted(landed.of("crm"), key=lambda row: row.at):
        if row.fields["status"] != "test" and row.fields["email"] not in JUNK | {COUNTER}:
            holders[row.fields["email"]].append(people[row.source, row.id])
            newest[people[row.source, row.id]] = row.fields["email"]
    moved = {email: who for email, who in holders.items() if len(set(who)) == 2 and newest[who[0]] != email}
    assert 0 < len(moved) < PEOPLE // 50
    for email, (first, *others) in moved.items():
        second = others[-1]
        assert newest[second] == email
        assert [first, *others] == sorted([first, *others], key=(first, second).index), "nobody has it again"


def test_links_from_the_magazine_carry_other_cookies_of_the_same_person(shop: Shop) -> None:
    _, landed, people = shop
    owner = {row.fields["anonymous_id"]: people[row.source, row.id] for row in landed.of("web")}
    linked = [row for row in landed.of("web", "page_view") if "inbound_user_ids" in row.fields]
    assert {len(row.fields["inbound_user_ids"]) for row in linked} == {1, 2}
    for row in linked:
        others = {owner.get(cookie) for cookie in row.fields["inbound_user_ids"]} - {None}
        assert others <= {people[row.source, row.id]}


def test_orders_add_up(shop: Shop) -> None:
    orders = shop[1].of("web", "order_completed")
    assert len({row.fields["order_id"] for row in firsts(orders)}) == len(firsts(orders)) > PEOPLE // 10
    for row in orders:
        total = sum(round(item["price"] * 100) * item["quantity"] for item in row.fields["items"])
        assert total == round(row.fields["total"] * 100)
    assert any("company_vat" in row.fields for row in orders)


def test_companies_have_several_people(shop: Shop) -> None:
    people_of = defaultdict(set)
    for row in shop[1].of("crm"):
        people_of[row.fields["company_id"]].add(row.fields["contact_id"])
    assert max(len(people_of[company]) for company in people_of if company) > 1


def test_phones_are_written_in_many_ways_with_the_same_digits(shop: Shop) -> None:
    _, landed, people = shop
    phones = [(row.fields["phone"], people[row.source, row.id]) for row in landed.rows if row.fields.get("phone")]
    real = [(phone, person) for phone, person in phones if person <= PEOPLE]
    assert len({re.sub(r"\d", "9", phone) for phone, _ in real}) >= 5
    digits_of = defaultdict(set)
    for phone, person in real:
        digits_of[person].add(phone_digits(phone))
    assert all(len(digits) == 1 for digits in digits_of.values())


def test_no_chain_of_shared_identifiers_joins_more_than_two_people(shop: Shop) -> None:
    _, landed, people = shop
    graph: nx.Graph[str] = nx.Graph()
    for row in landed.rows:
        found = list(identifiers(row))
        graph.add_nodes_from(found, people=set())
        nx.add_path(graph, found)
    for row in landed.rows:
        for identifier in identifiers(row):
            graph.nodes[identifier]["people"].add(people[row.source, row.id])
    sizes = Counter(
        len(set().union(*(graph.nodes[node]["people"] for node in nodes))) for nodes in nx.connected_components(graph)
    )
    assert set(sizes) == {1, 2}
    assert 1 < sizes[2] < sizes[1] // 20


@pytest.mark.parametrize(("events", "days"), [(40_000, 30), (20_000, 8)])
def test_the_number_of_people_for_a_number_of_events_is_about_right(tmp_path: Path, events: int, days: int) -> None:
    facts = generate(tmp_path, people=estimate_people(events, days), days=days, start=START, seed=5)
    assert facts.events == pytest.approx(events, rel=0.15)


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(tmp_path, people=1, days=3, start=START, seed=1, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("people", "days"), [(0, 1), (1, 0), (10**9, 1)])
def test_a_demo_of_nobody_or_of_too_many_is_refused(tmp_path: Path, people: int, days: int) -> None:
    with pytest.raises(ValueError, match="people"):
        generate(tmp_path, people=people, days=days, start=START, seed=1)


def groups(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """The copies of each event, in the order of arrival."""
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.arrived):
        found[row.source, row.id].append(row)
    return found


def firsts(rows: Iterable[Row]) -> list[Row]:
    """Each event's first arrival."""
    return [copies[0] for copies in groups(rows).values()]


def by(rows: Iterable[Row], field: str) -> dict[str, list[Row]]:
    """The rows of each value of a field."""
    found = defaultdict(list)
    for row in rows:
        found[row.fields[field]].append(row)
    return found


def phone_digits(phone: str) -> str:
    """The digits that the example project makes of a phone."""
    return re.sub(r"\D", "", phone.removeprefix("00"))


def identifiers(row: Row) -> Iterator[str]:
    """What the example project finds in a row."""
    if row.fields.get("status") == "test":
        return
    fields = row.fields
    user = fields.get("contact_id") or fields.get("user_id")
    email = (fields.get("email") or (fields.get("user") or {}).get("email") or "").strip().lower()
    if user and user != "undefined":
        yield f"crm_id {user}"
    if email not in JUNK | {COUNTER}:
        yield f"email {email}"
    if fields.get("phone"):
        yield f"phone {phone_digits(fields['phone'])}"
    if fields.get("device_id"):
        yield f"app_device {fields['device_id']}"
    for cookie in [fields.get("anonymous_id"), *fields.get("inbound_user_ids", [])]:
        if cookie:
            yield f"web_id {cookie}"
