"""The example shop: who really visits it, and the files that their visits leave behind."""

from cdp_pipeline.demo.generator import DemoFacts, estimate_people, generate

__all__ = ["DemoFacts", "estimate_people", "generate"]
