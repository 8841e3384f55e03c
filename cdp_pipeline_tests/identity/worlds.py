"""A project of three types of identifier, and short words for what operators do."""

from cdp_pipeline.identity.decisions import Decisions, Outcome, Proposal, decide, read_decisions, withdraw
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import project

KIND = "customer"
PROJECT = project(
    entities="""\
  customer:
    identifiers:
      - {type: crm}
      - {type: email, normalize: [trim, lower], valid: '^[^@ ]+@[^@ ]+$', blocked: [Test@test.com]}
      - {type: cookie}
    stitching:
      - {identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: crm, value: "payload->>'crm'"}
"""
)


def proposed(verdict: str, *names: str, by: str = "eve", why: str = "seen in the shop") -> Proposal:
    """Return a proposal about identifiers such as cookie:a."""
    ends = [(name.partition(":")[0], name.partition(":")[2]) for name in names]
    return Proposal(KIND, verdict, ends[0], ends[1] if len(ends) > 1 else None, by, why)


def say(pipeline: Pipeline, verdict: str, *names: str, by: str = "eve", why: str = "seen in the shop") -> Outcome:
    """Decide."""
    return decide(pipeline.connection, pipeline.project, proposed(verdict, *names, by=by, why=why))


def unsay(pipeline: Pipeline, verdict: str, *names: str, by: str = "ann", why: str = "") -> Outcome:
    """Take a decision back."""
    return withdraw(pipeline.connection, pipeline.project, proposed(verdict, *names, by=by, why=why))


def in_force(pipeline: Pipeline) -> Decisions:
    """Return what is in force."""
    return read_decisions(pipeline.connection, pipeline.schemas())


def told(decisions: Decisions) -> list[str]:
    """Return what is in force in words, such as `same cookie:a cookie:b`, in the order of the decisions."""
    return [" ".join((each.verdict, *map(decisions.name, each.ends))) for each in decisions.in_force]
