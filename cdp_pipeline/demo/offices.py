"""The rows that people make about people: the CRM's contacts (CSV) and the support line's calls (NDJSON).

The CRM is the one place that knows a contact's number, e-mail, phone and company together. Its file holds each contact
that changed; the first day brings all contacts that the shop knew before. Phones are written as each clerk likes, and
where a customer at the counter gives no e-mail, the clerk types the shop's own.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdp_pipeline.demo.catalogue import TOPICS
from cdp_pipeline.demo.people import People
from cdp_pipeline.demo.text import Floats, Ints, digits, join, keep, pick, seconds, times
from cdp_pipeline.demo.web import JUNK_EMAILS, vat_digits

CRM_HEADER = "contact_id,email,phone,full_name,company_id,company_vat,status,updated_at"

COUNTER_EMAIL = "info@shop.example"

_CALLS_A_DAY = 0.003  # per person
_CHANGES_A_DAY = 0.006  # per contact
_PREFIXES = ["+420 ", "420", "(+420) ", "+420-", "00420-", "00420 "]
_SEPARATORS = [" ", "", " ", "-", "-", " "]


def contact_rows(
    rng: np.random.Generator, people: People, day: int, dates: list[str], past_dates: list[str]
) -> pa.Table:
    """The contacts that were made or changed on the day, with columns id, line and person.

    On the first day those known before come too; they were last changed on one of the past dates.
    """
    changes = (people.registered_on < day) & (rng.random(len(people)) < _CHANGES_A_DAY)
    changed = np.flatnonzero(changes | (people.registered_on == day) | (people.new_email_on == day))
    changed = changed[people.registered_on[changed] >= 0] if day == 0 else changed
    today = np.full(len(changed), len(past_dates), dtype=np.int64)
    if day == 0:
        known = np.flatnonzero(people.registered_on == -1)
        changed = np.concatenate([known, changed])
        today = np.concatenate([rng.integers(0, len(past_dates), len(known)), today])
    clock = rng.integers(7 * 3_600_000, 20 * 3_600_000, len(changed))
    updated_at = seconds(pick([*past_dates, dates[day]], today), clock)
    contact_id = people.contact_id.take(pa.array(changed))
    line = join(contact_id, ",", _contact_fields(rng, people, day, changed), ",", updated_at)
    return pa.table({"id": join(contact_id, "-", updated_at), "line": line, "person": changed + 1})


def _contact_fields(rng: np.random.Generator, people: People, day: int, person: Ints) -> pa.Array:
    """E-mail, phone, name, company and status; the name is quoted where it holds a comma."""
    chance = rng.random((3, len(person)))
    junk = pick([*JUNK_EMAILS[:-1], ""], rng.integers(0, len(JUNK_EMAILS), len(person)))
    email = pc.if_else(pa.array(chance[0] < 0.03), junk, people.email_on(day, person))
    unasked = people.at_counter[person] & (people.login_day[person] > day)
    email = pc.if_else(pa.array(unasked), COUNTER_EMAIL, email)
    name = people.full_name.take(pa.array(person))
    reversed_name = pc.replace_substring_regex(name, r"^(\S+) (\S+)$", r'"\2, \1"')
    company = people.company[person]
    return join(
        email,
        ",",
        keep(_phones(rng, people.phone[person]), people.phone_known[person]),
        ",",
        pc.if_else(pa.array(chance[1] < 0.05), reversed_name, name),
        ",",
        keep(join("F", digits(company, 5)), company >= 0),
        ",",
        keep(join("CZ", vat_digits(company)), (company >= 0) & (chance[2] < 0.8)),
        ",",
        pick(["customer", "lead", "vip"], person % 7 % 3),
    )


def tester_rows(rng: np.random.Generator, people: People, day: int, date: str, number: int) -> pa.Table:
    """A contact that a tester made with a customer's e-mail; the project leaves contacts of status test out."""
    email = people.email[int(rng.integers(0, len(people)))].as_py()
    contact_id, updated_at = f"T{day + 1:05}", f"{date}T06:00:00Z"
    line = f"{contact_id},{email},+420 999 000 000,Test Test,,,test,{updated_at}"
    return pa.table({"id": [f"{contact_id}-{updated_at}"], "line": [line], "person": [number]})


def call_rows(rng: np.random.Generator, people: People, day: int, date: str) -> pa.Table:
    """The day's calls, with columns id, line and person. Most callers are known to the CRM by their phone."""
    rows = int(rng.poisson(_CALLS_A_DAY * len(people)))
    person = rng.integers(0, len(people), rows)
    clock = np.sort(rng.integers(8 * 3_600_000, 18 * 3_600_000, rows))
    ids = join(f"call-{date}-", digits(np.arange(rows, dtype=np.int64), 6))
    chance = rng.random((2, rows))
    line = join(
        '{"call_id":"',
        ids,
        '","started_at":"',
        times(date, clock),
        '","phone":',
        keep(join('"', _phones(rng, people.phone[person]), '"'), chance[0] < 0.95, "null"),
        _call_emails(people, day, person, chance[1]),
        ',"topic":"',
        pick(TOPICS, rng.integers(0, len(TOPICS), rows)),
        '","minutes":',
        digits(rng.integers(1, 31, rows)),
        "}",
    )
    return pa.table({"id": ids, "line": line, "person": person + 1})


def _call_emails(people: People, day: int, person: Ints, chance: Floats) -> pa.Array:
    email = pc.if_else(pa.array(chance < 0.02), "unknown", people.email_on(day, person))
    return keep(join(',"email":"', email, '"'), chance < 0.3)


def _phones(rng: np.random.Generator, phone: Ints) -> pa.Array:
    """The same digits in the ways that people write them."""
    style = rng.integers(0, len(_PREFIXES), len(phone))
    separator = pick(_SEPARATORS, style)
    first, second, third = (digits(phone // 10**exponent % 1000, 3) for exponent in (6, 3, 0))
    return join(pick(_PREFIXES, style), first, separator, second, separator, third)
