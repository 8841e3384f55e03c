"""The shop's true people: who they are, when they show themselves, and how far each system knows them.

One element of each array is one person; the arrays' index + 1 is the person's number in the truth file. Days count from
the first day of the demo. Components of the true answer stay small on purpose: a shared e-mail, a shared tablet or an
e-mail that one person gave up and another took over joins exactly two people, and nobody is in two such pairs. The one
exception is the address that the clerks at the counter type for whoever gives them none.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cdp_pipeline.demo.text import Flags, Floats, Ints, digits, join, pick

NEVER = 1_000_000  # a day that does not come

_FIRST_NAMES = ["Jana", "Petr", "Eva", "Tomáš", "Martin", "Anna", "Zoë", "Noah", "Emma", "Jürgen", "Chloé", "Ivo"]
_LAST_NAMES = ["Novák", "Dvořák", "Svoboda", "Müller", "Rossi", "Smith", "García", "Horák", "Nagy", "Petit", "Berg"]
_DOMAINS = ["mail.example", "post.example", "inbox.example", "web.example"]
_PLAIN = str.maketrans("áéëířšü", "aeeirsu")

_SHARE_REGISTERED = 0.65
_SHARE_BUSINESS = 0.10  # of the registered
_SHARE_PAIRS = 0.005  # of all people: pairs with one tablet, and as many with one e-mail, and with one that moved
_SHARE_NEW_EMAIL = 0.02  # of the registered
_SHARE_AT_COUNTER = 0.2  # of the registered
_PHONE_SPREAD = 7_919_111  # any number without a common factor with _PHONES, so that no two phones are equal
_PHONES = 199_999_991


@dataclass(frozen=True)
class People:
    """Everybody, one array per trait."""

    visits_a_day: Floats  # expected, on each device in use
    first_day: Ints
    registered_on: Ints  # -1: the shop knew them before the demo starts; NEVER: has no contact in the CRM
    login_day: Ints  # NEVER: does not log in
    contact_id: pa.Array
    email: pa.Array
    new_email: pa.Array
    new_email_on: Ints
    at_counter: Flags  # registered by a clerk, who knows no e-mail of theirs until they log in
    phone: Ints  # nine digits
    phone_known: Flags  # to the CRM
    full_name: pa.Array
    company: Ints  # -1: none
    tablet_pairs: Ints  # shape (pairs, 2)
    family_pairs: Ints  # shape (pairs, 2): the second uses the first one's e-mail
    heir_pairs: Ints  # shape (pairs, 2): the first gives up an e-mail, and days later it is the second one's

    def __len__(self) -> int:
        """How many people there are."""
        return len(self.first_day)

    def email_on(self, day: int, person: Ints) -> pa.Array:
        """The e-mail that each of these people gives on that day."""
        both = pa.concat_arrays([self.email, self.new_email])
        return both.take(pa.array(np.where(self.new_email_on[person] <= day, person + len(self), person)))


def create_people(rng: np.random.Generator, people: int, days: int) -> People:
    """Draw everybody."""
    first_day = np.where(rng.random(people) < 0.55, 0, rng.integers(0, days, people))
    registered = rng.random(people) < _SHARE_REGISTERED
    login_day = np.where(registered, _login_days(rng, first_day, days), NEVER)
    known_before = (login_day >= days) | ((first_day == 0) & (rng.random(people) < 0.7))
    registered_on = np.where(registered, np.where(known_before, -1, login_day), NEVER)
    tablet_pairs, family_pairs, heir_pairs = _pairs(rng, login_day, days)
    names, emails, new_emails = _names(rng, people)
    new_email_on = _new_email_days(rng, registered_on, family_pairs, days)
    new_email_on[heir_pairs] = _moving_days(rng, len(heir_pairs), days)
    return People(
        visits_a_day=rng.gamma(1.3, 0.125, people) + 0.01,
        first_day=first_day,
        registered_on=registered_on,
        login_day=login_day,
        contact_id=join("C", digits(100_001 + rng.permutation(people))),
        email=_shared(emails, family_pairs),
        new_email=_inherited(emails, new_emails, heir_pairs),
        new_email_on=new_email_on,
        at_counter=registered & (rng.random(people) < _SHARE_AT_COUNTER),
        phone=600_000_000 + (rng.integers(0, _PHONES) + np.arange(people, dtype=np.int64) * _PHONE_SPREAD) % _PHONES,
        phone_known=rng.random(people) < 0.7,
        full_name=names,
        company=_companies(rng, registered),
        tablet_pairs=tablet_pairs,
        family_pairs=family_pairs,
        heir_pairs=heir_pairs,
    )


def _login_days(rng: np.random.Generator, first_day: Ints, days: int) -> Ints:
    """Soon after the first visit, after some days, only in the second half (after weeks), or never."""
    people = len(first_day)
    soon = first_day + rng.exponential(2.0, people).astype(np.int64)
    later = first_day + (rng.uniform(0.1, 0.5, people) * days).astype(np.int64)
    weeks = np.maximum(first_day, rng.integers(days // 2, days, people))
    draw = rng.random(people)
    day = np.select([draw < 0.5, draw < 0.72, draw < 0.87], [soon, later, weeks], NEVER)
    return np.where(day < days, day, NEVER)


def _pairs(rng: np.random.Generator, login_day: Ints, days: int) -> tuple[Ints, Ints, Ints]:
    """Pairs of people who log in early: those with one tablet, those with one e-mail, those whose e-mail moves."""
    candidates = rng.permutation(np.flatnonzero(login_day <= days // 3))
    pairs = min(max(1, round(len(login_day) * _SHARE_PAIRS)), len(candidates) // 6)
    tablets, families, heirs = candidates[: 6 * pairs].reshape(3, pairs, 2)
    return tablets, families, heirs


def _names(rng: np.random.Generator, people: int) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Full names, e-mails, and the e-mails that some change to."""
    first = rng.integers(0, len(_FIRST_NAMES), people)
    last = rng.integers(0, len(_LAST_NAMES), people)
    number = digits(1000 + rng.permutation(people))
    plain_first = pick([_plain(name) for name in _FIRST_NAMES], first)
    plain_last = pick([_plain(name) for name in _LAST_NAMES], last)
    domain = pick(_DOMAINS, rng.integers(0, len(_DOMAINS), people))
    names = join(pick(_FIRST_NAMES, first), " ", pick(_LAST_NAMES, last))
    emails = join(plain_first, ".", plain_last, number, "@", domain)
    return names, emails, join(plain_last, number, "@new.example")


def _plain(name: str) -> str:
    return name.lower().translate(_PLAIN)


def _shared(emails: pa.Array, family_pairs: Ints) -> pa.Array:
    owner = np.arange(len(emails), dtype=np.int64)
    owner[family_pairs[:, 1]] = family_pairs[:, 0]
    return emails.take(pa.array(owner))


def _new_email_days(rng: np.random.Generator, registered_on: Ints, family_pairs: Ints, days: int) -> Ints:
    changes = (registered_on < days) & (rng.random(len(registered_on)) < _SHARE_NEW_EMAIL)
    changes[family_pairs] = False
    day = rng.integers(1, days + 1, len(registered_on))
    return np.where(changes & (day > registered_on) & (day < days), day, NEVER)


def _moving_days(rng: np.random.Generator, pairs: int, days: int) -> Ints:
    """When the first of each pair gives the e-mail up, in the middle third, and when the second one takes it over."""
    given_up = rng.integers(days // 3 + 1, max(2 * days // 3, days // 3 + 1) + 1, pairs)
    taken = given_up + 1 + rng.integers(0, max(1, days // 4), pairs)
    return np.where(taken[:, None] < days, np.stack([given_up, taken], axis=1), NEVER)


def _inherited(emails: pa.Array, new_emails: pa.Array, heir_pairs: Ints) -> pa.Array:
    """What people change their e-mail to: the second of a pair to the one that the first gave up."""
    source = np.arange(len(emails), 2 * len(emails), dtype=np.int64)
    source[heir_pairs[:, 1]] = heir_pairs[:, 0]
    return pa.concat_arrays([emails, new_emails]).take(pa.array(source))


def _companies(rng: np.random.Generator, registered: Flags) -> Ints:
    """Some of the registered buy for a company, two to three people each on average."""
    business = registered & (rng.random(len(registered)) < _SHARE_BUSINESS)
    companies = max(1, int(business.sum() / 2.5))
    return np.where(business, rng.integers(0, companies, len(registered)), -1)
